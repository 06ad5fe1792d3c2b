/** Prompt tuning: virtual tokens in front of the text. */
@NullMarked
package org.peftjava.peft.tuner.prompttuning;

import org.jspecify.annotations.NullMarked;
