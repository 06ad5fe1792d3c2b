/** Configurations of models, as {@code config.json} holds them. */
@NullMarked
package org.peftjava.transformers.config;

import org.jspecify.annotations.NullMarked;
