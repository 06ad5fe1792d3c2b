/** Repositories of the Hugging Face hub: downloads, and the cache shared with huggingface_hub. */
@NullMarked
package org.peftjava.transformers.hub;

import org.jspecify.annotations.NullMarked;
