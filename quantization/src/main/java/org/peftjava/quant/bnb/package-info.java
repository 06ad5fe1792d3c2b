/** The weight formats of bitsandbytes. */
@NullMarked
package org.peftjava.quant.bnb;

import org.jspecify.annotations.NullMarked;
