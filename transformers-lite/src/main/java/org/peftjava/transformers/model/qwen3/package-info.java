/** Qwen3, after transformers' {@code models/qwen3/modeling_qwen3.py}. */
@NullMarked
package org.peftjava.transformers.model.qwen3;

import org.jspecify.annotations.NullMarked;
