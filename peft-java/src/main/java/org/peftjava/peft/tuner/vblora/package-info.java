/** VB-LoRA: low-rank matrices put together from a bank of vectors that all layers share. */
@NullMarked
package org.peftjava.peft.tuner.vblora;

import org.jspecify.annotations.NullMarked;
