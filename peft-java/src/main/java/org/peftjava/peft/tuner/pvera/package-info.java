/** PVeRA: VeRA whose low-rank features are drawn while training. */
@NullMarked
package org.peftjava.peft.tuner.pvera;

import org.jspecify.annotations.NullMarked;
