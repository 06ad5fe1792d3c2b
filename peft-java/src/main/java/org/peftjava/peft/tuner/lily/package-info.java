/** Lily: low-rank matrices that layers share, and routers that mix them. */
@NullMarked
package org.peftjava.peft.tuner.lily;

import org.jspecify.annotations.NullMarked;
