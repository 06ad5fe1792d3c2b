/** Trainable tokens: some rows of the embeddings, and nothing else. */
@NullMarked
package org.peftjava.peft.tuner.trainabletokens;

import org.jspecify.annotations.NullMarked;
