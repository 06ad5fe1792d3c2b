/** VeRA: random matrices shared by all layers, and trained vectors that scale them. */
@NullMarked
package org.peftjava.peft.tuner.vera;

import org.jspecify.annotations.NullMarked;
