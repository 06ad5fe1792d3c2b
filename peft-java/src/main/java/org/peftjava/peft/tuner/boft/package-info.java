/** BOFT: rotations of blocks of the input in several arrangements, and a scale for each output. */
@NullMarked
package org.peftjava.peft.tuner.boft;

import org.jspecify.annotations.NullMarked;
