/** X-LoRA: a classifier decides for each token how much of each LoRA adapter it gets. */
@NullMarked
package org.peftjava.peft.tuner.xlora;

import org.jspecify.annotations.NullMarked;
