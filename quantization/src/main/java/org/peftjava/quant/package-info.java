/** Quantized weights and the linear layers that compute with them. */
@NullMarked
package org.peftjava.quant;

import org.jspecify.annotations.NullMarked;
