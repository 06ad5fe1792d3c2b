/** Super-Tuning: the largest weights themselves are trained, and nothing else of a layer. */
@NullMarked
package org.peftjava.peft.tuner.supertuning;

import org.jspecify.annotations.NullMarked;
