/** LN tuning: the norms of a model are trained, nothing else. */
@NullMarked
package org.peftjava.peft.tuner.lntuning;

import org.jspecify.annotations.NullMarked;
