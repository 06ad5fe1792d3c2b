/** Granite, after transformers' {@code models/granite/modeling_granite.py}. */
@NullMarked
package org.peftjava.transformers.model.granite;

import org.jspecify.annotations.NullMarked;
