/** HRA: a chain of Householder reflections before the layer. */
@NullMarked
package org.peftjava.peft.tuner.hra;

import org.jspecify.annotations.NullMarked;
