/** BERT, after transformers' {@code models/bert/modeling_bert.py}. */
@NullMarked
package org.peftjava.transformers.model.bert;

import org.jspecify.annotations.NullMarked;
