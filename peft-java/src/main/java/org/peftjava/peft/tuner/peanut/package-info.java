/** PEANuT: the update is a small network's answer to the weight itself. */
@NullMarked
package org.peftjava.peft.tuner.peanut;

import org.jspecify.annotations.NullMarked;
