/** OFT: rotations of blocks of the input. */
@NullMarked
package org.peftjava.peft.tuner.oft;

import org.jspecify.annotations.NullMarked;
