/** Phi, after transformers' {@code models/phi/modeling_phi.py}. */
@NullMarked
package org.peftjava.transformers.model.phi;

import org.jspecify.annotations.NullMarked;
