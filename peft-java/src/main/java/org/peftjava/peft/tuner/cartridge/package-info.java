/** Cartridges: a cache of keys and values that is trained itself. */
@NullMarked
package org.peftjava.peft.tuner.cartridge;

import org.jspecify.annotations.NullMarked;
