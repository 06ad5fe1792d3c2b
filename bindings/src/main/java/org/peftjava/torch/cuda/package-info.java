/** Kernels for NVIDIA cards: compiled at run time, launched on libtorch's stream. */
@NullMarked
package org.peftjava.torch.cuda;

import org.jspecify.annotations.NullMarked;
