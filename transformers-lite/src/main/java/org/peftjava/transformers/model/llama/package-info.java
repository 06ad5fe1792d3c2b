/** Llama, after transformers' {@code models/llama/modeling_llama.py}. */
@NullMarked
package org.peftjava.transformers.model.llama;

import org.jspecify.annotations.NullMarked;
