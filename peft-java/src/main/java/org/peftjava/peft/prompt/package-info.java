/** Prompt learning in models: where virtual tokens go, and what they need to know of a model. */
@NullMarked
package org.peftjava.peft.prompt;

import org.jspecify.annotations.NullMarked;
