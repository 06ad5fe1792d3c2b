/** Pretrained models, tokenizers, checkpoints, generation and training. */
@NullMarked
package org.peftjava.transformers;

import org.jspecify.annotations.NullMarked;
