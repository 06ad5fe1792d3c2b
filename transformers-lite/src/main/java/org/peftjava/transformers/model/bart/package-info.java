/** BART, after transformers' {@code models/bart/modeling_bart.py}. */
@NullMarked
package org.peftjava.transformers.model.bart;

import org.jspecify.annotations.NullMarked;
