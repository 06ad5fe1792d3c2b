/** WaveFT: an update that is sparse in the coefficients of wavelets. */
@NullMarked
package org.peftjava.peft.tuner.waveft;

import org.jspecify.annotations.NullMarked;
