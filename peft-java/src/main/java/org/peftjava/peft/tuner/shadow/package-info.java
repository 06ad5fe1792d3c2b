/** ShadowPEFT: a small model beside the base, whose state rides through the base's layers. */
@NullMarked
package org.peftjava.peft.tuner.shadow;

import org.jspecify.annotations.NullMarked;
