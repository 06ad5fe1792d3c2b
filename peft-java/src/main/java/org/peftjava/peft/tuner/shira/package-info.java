/** SHiRA: a sparse update at fixed places. */
@NullMarked
package org.peftjava.peft.tuner.shira;

import org.jspecify.annotations.NullMarked;
