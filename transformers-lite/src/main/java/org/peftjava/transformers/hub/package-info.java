/**
 * Repositories of the Hugging Face hub: downloads into the cache shared with huggingface_hub, and
 * uploads.
 */
@NullMarked
package org.peftjava.transformers.hub;

import org.jspecify.annotations.NullMarked;
