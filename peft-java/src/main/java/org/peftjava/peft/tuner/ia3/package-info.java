/** IA3: learned scaling of activations. */
@NullMarked
package org.peftjava.peft.tuner.ia3;

import org.jspecify.annotations.NullMarked;
