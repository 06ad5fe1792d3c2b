/** Gemma 3 text, after transformers' {@code models/gemma3/modeling_gemma3.py}. */
@NullMarked
package org.peftjava.transformers.model.gemma3;

import org.jspecify.annotations.NullMarked;
