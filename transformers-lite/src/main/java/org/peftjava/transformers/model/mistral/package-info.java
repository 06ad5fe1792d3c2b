/** Mistral, after transformers' {@code models/mistral/modeling_mistral.py}. */
@NullMarked
package org.peftjava.transformers.model.mistral;

import org.jspecify.annotations.NullMarked;
