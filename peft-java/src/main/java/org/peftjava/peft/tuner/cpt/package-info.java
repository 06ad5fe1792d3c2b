/** Context-aware prompt tuning: virtual tokens that stay near those of a text. */
@NullMarked
package org.peftjava.peft.tuner.cpt;

import org.jspecify.annotations.NullMarked;
