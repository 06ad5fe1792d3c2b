/** JMH benchmarks of hot paths. */
@NullMarked
package org.peftjava.it.bench;

import org.jspecify.annotations.NullMarked;
