/** DistilBERT, after transformers' {@code models/distilbert/modeling_distilbert.py}. */
@NullMarked
package org.peftjava.transformers.model.distilbert;

import org.jspecify.annotations.NullMarked;
