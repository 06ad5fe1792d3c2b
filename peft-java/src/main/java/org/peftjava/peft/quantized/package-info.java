/** What methods of adaptation ask of quantized formats. */
@NullMarked
package org.peftjava.peft.quantized;

import org.jspecify.annotations.NullMarked;
