/** Text to token ids and back. */
@NullMarked
package org.peftjava.transformers.tokenizer;

import org.jspecify.annotations.NullMarked;
