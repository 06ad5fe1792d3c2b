/** Adapter folders, byte for byte as Python PEFT writes them. */
@NullMarked
package org.peftjava.peft.io;

import org.jspecify.annotations.NullMarked;
