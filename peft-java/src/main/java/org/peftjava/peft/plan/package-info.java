/** What memory a training step will take, told from a model's config alone. */
@NullMarked
package org.peftjava.peft.plan;

import org.jspecify.annotations.NullMarked;
