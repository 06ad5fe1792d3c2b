/** Gemma 2, after transformers' {@code models/gemma2/modeling_gemma2.py}. */
@NullMarked
package org.peftjava.transformers.model.gemma2;

import org.jspecify.annotations.NullMarked;
