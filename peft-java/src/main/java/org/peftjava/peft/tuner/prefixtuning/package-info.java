/** Prefix tuning: virtual keys and values in front of every layer's. */
@NullMarked
package org.peftjava.peft.tuner.prefixtuning;

import org.jspecify.annotations.NullMarked;
