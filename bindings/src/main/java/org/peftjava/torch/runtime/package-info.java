/** Start-up of the native library. */
@NullMarked
package org.peftjava.torch.runtime;

import org.jspecify.annotations.NullMarked;
