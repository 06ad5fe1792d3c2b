/** Optimizers, gradient clipping and learning-rate schedules. */
@NullMarked
package org.peftjava.torch.optim;

import org.jspecify.annotations.NullMarked;
