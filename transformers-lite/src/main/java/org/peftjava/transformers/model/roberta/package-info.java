/** RoBERTa, after transformers' {@code models/roberta/modeling_roberta.py}. */
@NullMarked
package org.peftjava.transformers.model.roberta;

import org.jspecify.annotations.NullMarked;
