/** OPT, after transformers' {@code models/opt/modeling_opt.py}. */
@NullMarked
package org.peftjava.transformers.model.opt;

import org.jspecify.annotations.NullMarked;
