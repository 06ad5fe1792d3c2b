/** Gemma, after transformers' {@code models/gemma/modeling_gemma.py}. */
@NullMarked
package org.peftjava.transformers.model.gemma;

import org.jspecify.annotations.NullMarked;
