// The functions that KernelLibrary.java binds for products of many rows; as kernels.h.
#pragma once

#include "kernels.h"

namespace peftjava {

/// Whether this processor has kernels for wideProduct.
inline bool hasWideProduct() { return active()->widePack != nullptr; }

inline void wideProduct(int64_t x, int64_t xStride, int64_t w, int64_t wStride, int64_t bias, int64_t y,
                        int64_t yStride, int64_t m, int64_t rows, int64_t columns, bool transposed, bool add,
                        int threads) {
  static thread_local std::vector<char> buffer;
  constexpr int64_t kAtOnce = 1024;  // rows of x: what is packed stays small, and the weight is read once for them
  for (int64_t first = 0; first < m; first += kAtOnce) {
    WideProductArgs args = {at<const float>(x) + first * xStride,
                            at<const float>(w),
                            at<const float>(bias),
                            at<float>(y) + first * yStride,
                            nullptr,
                            m - first < kAtOnce ? m - first : kAtOnce,
                            rows,
                            columns,
                            xStride,
                            wStride,
                            yStride,
                            add};
    if (transposed) {
      const int64_t panels = (args.m + 63) / 64;
      args.packed = alignedTo64<float>(buffer, panels * 64 * columns);
      parallelRange(active()->widePack, args, panels, 1, threads);
    }
    parallelRange(active()->wideProduct[transposed], args,
                  transposed ? (rows + kWideUnit - 1) / kWideUnit : (columns + 63) / 64, 1, threads);
  }
}

}  // namespace peftjava
