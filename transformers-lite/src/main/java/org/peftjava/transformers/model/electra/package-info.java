/** ELECTRA, after transformers' {@code models/electra/modeling_electra.py}. */
@NullMarked
package org.peftjava.transformers.model.electra;

import org.jspecify.annotations.NullMarked;
