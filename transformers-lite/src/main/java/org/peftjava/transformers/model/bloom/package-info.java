/** BLOOM, after transformers' {@code models/bloom/modeling_bloom.py}. */
@NullMarked
package org.peftjava.transformers.model.bloom;

import org.jspecify.annotations.NullMarked;
