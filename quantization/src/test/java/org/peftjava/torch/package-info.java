/** Kernels of a training step on a card, run by the emulation of this module's tests. */
@NullMarked
package org.peftjava.torch;

import org.jspecify.annotations.NullMarked;
