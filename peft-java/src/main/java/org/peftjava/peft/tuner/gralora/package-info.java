/** GraLoRA: low-rank updates of single blocks of the weight. */
@NullMarked
package org.peftjava.peft.tuner.gralora;

import org.jspecify.annotations.NullMarked;
