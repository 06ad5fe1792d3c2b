/** GPT-NeoX, after transformers' {@code models/gpt_neox/modeling_gpt_neox.py}. */
@NullMarked
package org.peftjava.transformers.model.gptneox;

import org.jspecify.annotations.NullMarked;
