/** Adaption prompts: vectors beside the text that the upper attentions ask. */
@NullMarked
package org.peftjava.peft.tuner.adaptionprompt;

import org.jspecify.annotations.NullMarked;
