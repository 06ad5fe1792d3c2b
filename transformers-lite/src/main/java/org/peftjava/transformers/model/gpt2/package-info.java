/** GPT-2, after transformers' {@code models/gpt2/modeling_gpt2.py}. */
@NullMarked
package org.peftjava.transformers.model.gpt2;

import org.jspecify.annotations.NullMarked;
