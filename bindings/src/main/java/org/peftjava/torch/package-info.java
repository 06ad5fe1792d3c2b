/** Tensors, automatic differentiation and native memory: a thin façade over libtorch. */
@NullMarked
package org.peftjava.torch;

import org.jspecify.annotations.NullMarked;
