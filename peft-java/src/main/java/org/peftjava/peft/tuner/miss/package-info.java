/** MiSS: one small matrix shared by all blocks of a weight. */
@NullMarked
package org.peftjava.peft.tuner.miss;

import org.jspecify.annotations.NullMarked;
