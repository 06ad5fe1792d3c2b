/** FRoD: the weight in a basis that layers share, with a sparse trained change. */
@NullMarked
package org.peftjava.peft.tuner.frod;

import org.jspecify.annotations.NullMarked;
