/** LoHa: the elementwise product of two low-rank updates. */
@NullMarked
package org.peftjava.peft.tuner.loha;

import org.jspecify.annotations.NullMarked;
