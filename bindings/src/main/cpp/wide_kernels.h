// The functions that KernelLibrary.java binds for products of many rows; as kernels.h.
#pragma once

#include "kernels.h"

namespace peftjava {

/// Rows of x that are packed at once: what is packed stays small, and the weight is read once for them.
constexpr int64_t kRowsAtOnce = 1024;

/// y = x w^T + bias, or x w if transposed, on AMX tiles.
template <typename Weight>
inline void productOnTiles(const Weight& w, int64_t rows, int64_t columns, bool transposed, const void* x,
                           int64_t xStride, const void* bias, void* y, int64_t yStride, int64_t m, int threads,
                           Range<TilesArgs<Weight>> pack, Range<TilesArgs<Weight>> product) {
  using Element = typename Weight::Element;
  static thread_local std::vector<char> buffer;
  const int64_t terms = ((transposed ? rows : columns) + 31) / 32 * 32;
  for (int64_t first = 0; first < m; first += kRowsAtOnce) {
    const int64_t some = m - first < kRowsAtOnce ? m - first : kRowsAtOnce, padded = (some + 31) / 32 * 32;
    auto* tiles = alignedTo64<bf16>(buffer, padded * terms * kPartsOf<Element>);
    TilesArgs<Weight> args = {w,    rows, columns, static_cast<const Element*>(x) + first * xStride,
                              tiles, bias, static_cast<Element*>(y) + first * yStride,
                              some, xStride, yStride};
    parallelRange(pack, args, some <= 16 && !transposed ? 1 : padded / 16, grainRows(16 * terms), threads);
    const int64_t count = transposed ? (columns + 127) / 128 : (rows + 31) / 32;
    if (some <= kFewRows) {  // a weight's pieces as long as can be
      parallelRange(product, args, count, 1, threads);
      continue;
    }
    const int64_t share = count / (4 * threads);  // four units a thread, of 128 results of w^T at most
    sharedRange(product, args, count, transposed || share < 1 ? 1 : share < 4 ? share : 4, threads);
  }
}

/// The same with a dense weight; whether what is in y is the product.
template <typename T>
inline bool denseOnTiles(const DenseTiles<T>& tiles, const T* x, const T* w, const T* bias, T* y, int64_t m,
                         int64_t rows, int64_t columns, bool transposed, int threads) {
  if (tiles.pack[transposed] == nullptr) return false;
  int unfit = 0;
  productOnTiles(DenseArray<T>{w, &unfit}, rows, columns, transposed, x, transposed ? rows : columns, bias, y,
                 transposed ? columns : rows, m, threads, tiles.pack[transposed], tiles.product[transposed]);
  return unfit == 0;
}

/// Whether this processor has kernels for wideProduct.
inline bool hasWideProduct(int type) {
  return type == kFloat32 ? active()->widePack != nullptr : active()->halfTiles.pack[0] != nullptr;
}

/// y = x w + bias, or x w^T + bias if turned.
inline void wideProduct(int64_t x, int64_t w, int64_t bias, int64_t y, int64_t m, int64_t rows, int64_t columns,
                        bool turned, int type, int threads) {
  static thread_local std::vector<char> buffer;
  const int64_t in = turned ? columns : rows, out = turned ? rows : columns;
  for (int64_t first = 0; first < m; first += kRowsAtOnce) {
    const int64_t count = m - first < kRowsAtOnce ? m - first : kRowsAtOnce;
    if (type == kBFloat16) {
      denseOnTiles(active()->halfTiles, at<const bf16>(x) + first * in, at<const bf16>(w), at<const bf16>(bias),
                   at<bf16>(y) + first * out, count, rows, columns, !turned, threads);
      continue;
    }
    WideProductArgs args = {at<const float>(x) + first * in,
                            at<const float>(w),
                            at<const float>(bias),
                            at<float>(y) + first * out,
                            nullptr,
                            count,
                            rows,
                            columns};
    if (denseOnTiles(active()->floatTiles, args.x, args.w, args.bias, args.y, count, rows, columns, !turned, threads))
      continue;
    if (turned) {
      const int64_t panels = (count + 63) / 64;
      args.packed = alignedTo64<float>(buffer, panels * 64 * columns);
      parallelRange(active()->widePack, args, panels, 1, threads);
    }
    sharedRange(active()->wideProduct[turned], args, turned ? (rows + kWideUnit - 1) / kWideUnit : (columns + 63) / 64,
                1, threads);
  }
}

}  // namespace peftjava
