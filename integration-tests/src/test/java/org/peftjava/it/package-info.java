/** Checks that span modules: architecture rules, goldens from Python, end-to-end runs. */
@NullMarked
package org.peftjava.it;

import org.jspecify.annotations.NullMarked;
