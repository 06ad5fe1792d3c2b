/** DEFT: a subspace of the weight is replaced by trained content. */
@NullMarked
package org.peftjava.peft.tuner.deft;

import org.jspecify.annotations.NullMarked;
