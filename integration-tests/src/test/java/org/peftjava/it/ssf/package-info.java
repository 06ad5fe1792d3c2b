/** A tuning method as another library would bring it: the example of docs/custom-models.md. */
@NullMarked
package org.peftjava.it.ssf;

import org.jspecify.annotations.NullMarked;
