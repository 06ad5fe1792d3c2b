/** Qwen2, after transformers' {@code models/qwen2/modeling_qwen2.py}. */
@NullMarked
package org.peftjava.transformers.model.qwen2;

import org.jspecify.annotations.NullMarked;
