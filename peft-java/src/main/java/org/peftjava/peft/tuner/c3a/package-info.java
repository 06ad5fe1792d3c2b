/** C3A: block-circular convolution. */
@NullMarked
package org.peftjava.peft.tuner.c3a;

import org.jspecify.annotations.NullMarked;
