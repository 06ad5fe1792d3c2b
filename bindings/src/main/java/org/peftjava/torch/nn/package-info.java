/** The module tree: layers, parameters, state dicts, with the names that Python uses. */
@NullMarked
package org.peftjava.torch.nn;

import org.jspecify.annotations.NullMarked;
