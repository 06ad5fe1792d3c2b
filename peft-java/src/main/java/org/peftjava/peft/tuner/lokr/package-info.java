/** LoKr: a Kronecker product as the update. */
@NullMarked
package org.peftjava.peft.tuner.lokr;

import org.jspecify.annotations.NullMarked;
