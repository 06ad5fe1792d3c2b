/** P-tuning: virtual tokens that a small network computes. */
@NullMarked
package org.peftjava.peft.tuner.ptuning;

import org.jspecify.annotations.NullMarked;
