/** AdaLoRA: an update in the form of a singular value decomposition whose rank is shared out. */
@NullMarked
package org.peftjava.peft.tuner.lora.adalora;

import org.jspecify.annotations.NullMarked;
