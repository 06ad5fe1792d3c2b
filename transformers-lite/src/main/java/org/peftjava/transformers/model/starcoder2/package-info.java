/** StarCoder2, after transformers' {@code models/starcoder2/modeling_starcoder2.py}. */
@NullMarked
package org.peftjava.transformers.model.starcoder2;

import org.jspecify.annotations.NullMarked;
