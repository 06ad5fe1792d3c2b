/**
 * Native CPU kernels over raw addresses: the fast paths of a training step and of decoding.
 *
 * <p>Every kernel has a portable equivalent in tensor operations; callers ask {@link
 * org.peftjava.torch.kernels.NativeKernels#available()} first. Addresses are those of contiguous
 * native memory unless a stride is named; strides and counts are in elements. Results do not depend
 * on the number of threads. Sums and products run in float32 whatever the element type; storing
 * bfloat16 rounds to nearest, ties to even.
 */
@NullMarked
package org.peftjava.torch.kernels;

import org.jspecify.annotations.NullMarked;
