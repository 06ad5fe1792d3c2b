/**
 * Adapters over layers: what every tuning method shares. Knows tensors and modules, no model and no
 * file.
 */
@NullMarked
package org.peftjava.peft.tuner;

import org.jspecify.annotations.NullMarked;
