/** AdaMSS: low-rank updates within subspaces of the weights, of which the least important go. */
@NullMarked
package org.peftjava.peft.tuner.adamss;

import org.jspecify.annotations.NullMarked;
