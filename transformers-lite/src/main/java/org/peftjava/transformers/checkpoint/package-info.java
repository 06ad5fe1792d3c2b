/** Weights in files: safetensors, sharded checkpoints, files that appear whole or not at all. */
@NullMarked
package org.peftjava.transformers.checkpoint;

import org.jspecify.annotations.NullMarked;
