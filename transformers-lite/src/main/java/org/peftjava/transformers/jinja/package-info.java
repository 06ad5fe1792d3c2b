/** Jinja templates as Python's jinja2 renders them in its sandbox, for chat templates. */
@NullMarked
package org.peftjava.transformers.jinja;

import org.jspecify.annotations.NullMarked;
