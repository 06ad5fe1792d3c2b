/** T5, T5 v1.1, flan-T5 and mT5, after transformers' {@code models/t5/modeling_t5.py}. */
@NullMarked
package org.peftjava.transformers.model.t5;

import org.jspecify.annotations.NullMarked;
