/** BEFT: only a bias of the values of attention is trained. */
@NullMarked
package org.peftjava.peft.tuner.beft;

import org.jspecify.annotations.NullMarked;
