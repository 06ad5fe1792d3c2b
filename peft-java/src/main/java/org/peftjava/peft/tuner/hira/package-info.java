/** HiRA: the weight is multiplied, element by element, by a matrix of low rank. */
@NullMarked
package org.peftjava.peft.tuner.hira;

import org.jspecify.annotations.NullMarked;
