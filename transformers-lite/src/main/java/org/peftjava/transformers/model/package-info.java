/** What all architectures share: the registry, the backbone, the cache, masks, activations. */
@NullMarked
package org.peftjava.transformers.model;

import org.jspecify.annotations.NullMarked;
