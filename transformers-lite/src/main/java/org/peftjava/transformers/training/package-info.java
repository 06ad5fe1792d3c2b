/** Training: data, loop, checkpoints and evaluation, in the shapes of transformers' Trainer. */
@NullMarked
package org.peftjava.transformers.training;

import org.jspecify.annotations.NullMarked;
