/**
 * OSF: the small singular values of the weight are trained, apart from the space of the large ones.
 */
@NullMarked
package org.peftjava.peft.tuner.osf;

import org.jspecify.annotations.NullMarked;
