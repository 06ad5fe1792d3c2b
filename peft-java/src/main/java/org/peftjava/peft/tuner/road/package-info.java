/** RoAd: scaled rotations of pairs of outputs. */
@NullMarked
package org.peftjava.peft.tuner.road;

import org.jspecify.annotations.NullMarked;
