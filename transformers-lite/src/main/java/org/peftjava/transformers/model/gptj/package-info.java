/** GPT-J, after transformers' {@code models/gptj/modeling_gptj.py}. */
@NullMarked
package org.peftjava.transformers.model.gptj;

import org.jspecify.annotations.NullMarked;
