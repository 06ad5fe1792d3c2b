/** DeBERTa v2 and v3, after transformers' {@code models/deberta_v2/modeling_deberta_v2.py}. */
@NullMarked
package org.peftjava.transformers.model.debertav2;

import org.jspecify.annotations.NullMarked;
