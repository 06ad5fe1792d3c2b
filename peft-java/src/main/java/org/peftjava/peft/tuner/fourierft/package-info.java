/** FourierFT: an update that is sparse in the frequency domain. */
@NullMarked
package org.peftjava.peft.tuner.fourierft;

import org.jspecify.annotations.NullMarked;
