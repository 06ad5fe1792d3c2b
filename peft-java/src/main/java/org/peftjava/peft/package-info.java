/** Parameter-efficient fine-tuning of pretrained models. */
@NullMarked
package org.peftjava.peft;

import org.jspecify.annotations.NullMarked;
