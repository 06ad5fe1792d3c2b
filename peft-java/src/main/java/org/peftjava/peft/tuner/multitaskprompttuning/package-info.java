/** Multitask prompt tuning: virtual tokens that tasks share, and what each task makes of them. */
@NullMarked
package org.peftjava.peft.tuner.multitaskprompttuning;

import org.jspecify.annotations.NullMarked;
