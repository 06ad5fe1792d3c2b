/** Text generation: settings, choice of tokens, the decoding loop. */
@NullMarked
package org.peftjava.transformers.generation;

import org.jspecify.annotations.NullMarked;
