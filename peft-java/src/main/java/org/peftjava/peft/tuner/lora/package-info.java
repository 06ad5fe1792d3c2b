/** LoRA: low-rank updates of frozen layers. */
@NullMarked
package org.peftjava.peft.tuner.lora;

import org.jspecify.annotations.NullMarked;
