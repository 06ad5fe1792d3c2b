/** Phi-3, after transformers' {@code models/phi3/modeling_phi3.py}. */
@NullMarked
package org.peftjava.transformers.model.phi3;

import org.jspecify.annotations.NullMarked;
