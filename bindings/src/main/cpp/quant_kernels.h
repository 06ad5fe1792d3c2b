// The functions that KernelLibrary.java binds for quantized weights; as kernels.h.
#pragma once

#include "wide_kernels.h"

namespace peftjava {

/// FourBitMatrix.java's array: addresses, then the offset's bits, then log2 of the block size.
inline FourBitArray fourBitArray(const int64_t* w) {
  FourBitArray result = {at<const uint8_t>(w[0]), at<const float>(w[1]),   at<const float>(w[2]),
                         at<const uint8_t>(w[3]), at<const float>(w[4]),   at<const float>(w[5]),
                         0.0f,                    static_cast<int>(w[7])};
  uint32_t bits = static_cast<uint32_t>(w[6]);
  std::memcpy(&result.offset, &bits, sizeof bits);
  return result;
}

inline void fourBitDequantize(const int64_t* w, int64_t first, int64_t count, int64_t y, int type,
                              int threads) {
  FourBitDequantizeArgs args = {fourBitArray(w), first, count, at(y)};
  parallelRange(active()->fourBitDequantize[type], args, (count + kFourBitPiece - 1) / kFourBitPiece,
                kGrainElements / kFourBitPiece, threads);
}

inline void fourBitQuantize(int64_t x, int64_t count, int blockShift, const float* thresholds,
                            const int8_t* codes, bool magnitudes, int zero, int64_t packed, int64_t absmax,
                            int type, int threads) {
  FourBitQuantizeArgs args = {at(x),      count,      blockShift,
                              thresholds, reinterpret_cast<const uint8_t*>(codes),
                              magnitudes, static_cast<uint8_t>(zero), at<uint8_t>(packed),
                              at<float>(absmax)};
  int64_t size = static_cast<int64_t>(1) << blockShift;
  parallelRange(active()->fourBitQuantize[type], args, (count + size - 1) / size, grainRows(size),
                threads);
}

/// x in float32 and in the order in which a run of 8 lanes elements is looked up: element e of all lanes, then
/// e + 1. Rows end with zeros.
template <typename T>
inline void packX(const T* x, int64_t xStride, int m, int64_t k, int64_t lanes, int64_t perLane,
                  float* packed, int64_t stride) {
  const int64_t run = lanes * perLane;
  for (int row = 0; row < m; row++) {
    const T* from = x + row * xStride;
    float* to = packed + row * stride;
    int64_t i = 0;
    for (; i + run <= k; i += run)
      for (int64_t lane = 0; lane < lanes; lane++)
        for (int64_t e = 0; e < perLane; e++)
          to[i + e * lanes + lane] = toFloat(from[i + lane * perLane + e]);
    for (int64_t j = i; j < stride; j++) to[j] = 0.0f;
    for (int64_t j = 0; i + j < k; j++)
      to[i + j % perLane * lanes + j / perLane] = toFloat(from[i + j]);
  }
}

/// What makes codes' numbers integers below 2^15; 0 if nothing does. FP4 has multiples of 1 / 192.
inline float integerCodeScale(const float* values) {
  float largest = 0.0f;
  for (int i = 0; i < 16; i++) {
    const float value = std::fabs(values[i]);
    if (!(value < 1e9f)) return 0.0f;
    if (value > largest) largest = value;
  }
  return largest < 1e-9f ? 0.0f : 169.0f * 192.0f / largest;
}

/// x w^T + bias in integers; false if these numbers cannot be.
inline bool fourBitIntegers(const FourBitArray& w, int64_t rows, int64_t columns, const bf16* x, int64_t xStride,
                            const bf16* bias, bf16* y, int64_t yStride, int m, int threads) {
  static thread_local std::vector<char> buffer;
  if (active()->fourBitIntegers == nullptr || m > FourBitIntegersArgs::kRows || (columns & ((1 << w.blockShift) - 1)) != 0)
    return false;
  const int64_t stride = FourBitIntegersArgs::packedBytes(columns, w.blockShift);
  FourBitIntegersArgs args = {w, rows, columns, x, bias, y, m, xStride, yStride, integerCodeScale(w.values),
                              alignedTo64<int8_t>(buffer, stride * m), stride};
  if (args.codeScale == 0.0f || !active()->fourBitIntegersPack(args)) return false;
  parallelRange(active()->fourBitIntegers, args, rows, grainRows(columns), threads);
  return true;
}

inline void fourBitProduct(const int64_t* w, int64_t rows, int64_t columns, bool transposed,
                           int64_t x, int64_t xStride, int64_t bias, int64_t y, int64_t yStride,
                           int m, int type, int threads) {
  if (type == kBFloat16 && !transposed &&
      fourBitIntegers(fourBitArray(w), rows, columns, at<const bf16>(x), xStride, at<const bf16>(bias), at<bf16>(y),
                      yStride, m, threads))
    return;
  static thread_local std::vector<char> buffer;
  const int64_t run = 8 * active()->lanes;
  const int64_t k = transposed ? rows : columns;
  const bool inRuns = !transposed && columns % 32 == 0;
  const int64_t stride = (k + run - 1) / run * run;
  float* packed = alignedTo64<float>(buffer, stride * m);
  const int64_t lanes = inRuns ? active()->lanes : run, perLane = inRuns ? 8 : 1;
  if (type == kFloat32) {
    packX(at<const float>(x), xStride, m, k, lanes, perLane, packed, stride);
  } else {
    packX(at<const bf16>(x), xStride, m, k, lanes, perLane, packed, stride);
  }
  FourBitProductArgs args = {fourBitArray(w), rows, columns, packed, at(bias),
                             at(y),           m,    stride,  yStride};
  if (transposed) {
    parallelRange(active()->fourBitTransposed[type], args, (columns + run - 1) / run,
                  grainRows(rows * run), threads);
  } else {
    parallelRange(active()->fourBitProduct[type], args, rows, grainRows(columns), threads);
  }
}

/// Whether fourBitTiles can be called.
inline bool hasTiles() { return active()->fourBitTiles[0] != nullptr; }

/// Whether what is in y is the product: false if numbers of float32 have no parts.
inline bool fourBitTiles(const int64_t* w, int64_t rows, int64_t columns, bool transposed,
                         int64_t x, int64_t xStride, int64_t bias, int64_t y, int64_t yStride,
                         int64_t m, int type, int threads) {
  if (type == kBFloat16) {
    productOnTiles(fourBitArray(w), rows, columns, transposed, at(x), xStride, at(bias), at(y), yStride, m, threads,
                   active()->fourBitTilesPack[transposed], active()->fourBitTiles[transposed]);
    return true;
  }
  int unfit = 0;
  productOnTiles(FourBitFloats{fourBitArray(w), &unfit}, rows, columns, transposed, at(x), xStride, at(bias), at(y),
                 yStride, m, threads, active()->fourBitFloatTilesPack[transposed],
                 active()->fourBitFloatTiles[transposed]);
  return unfit == 0;
}

/// AdamW8bitKernel.java's parameters: eight words each, in the order of adamw8bitPieces.
struct AdamW8bitList {
  const int64_t *words, *counts;
  int arrays;
  double lr, beta1, beta2, eps;
  AdamW8bitArgs step;
};

inline void adamw8bitPieces(const AdamW8bitList& list, int64_t first, int64_t last) {
  eachPiece(list.counts, list.arrays, first, last,
            [&](int i, int64_t begin, int64_t end, int64_t) {
              const int64_t* w = list.words + 8 * i;
              AdamW8bitArgs args = list.step;
              args.p = at(w[0]);
              args.g = at(w[1]);
              args.m = at(w[2]);
              args.v = at(w[3]);
              args.mScales = at<float>(w[4]);
              args.vScales = at<float>(w[5]);
              double steps = static_cast<double>(w[6]);
              double correction1 = 1.0 - std::pow(list.beta1, steps);
              double correction2 = std::sqrt(1.0 - std::pow(list.beta2, steps));
              args.rate = static_cast<float>(-list.lr * correction2 / correction1);
              args.eps = static_cast<float>(correction2 * list.eps);
              active()->adamw8bit[w[7]](args, begin, end);
            });
}

inline void adamw8bit(const int64_t* words, const int64_t* counts, int arrays, const float* values,
                      const float* limits, const int8_t* first, const float* values2,
                      const float* limits2, const int8_t* first2, double lr, double beta1, double beta2,
                      double eps, double weightDecay, int threads) {
  AdamW8bitArgs args = {};
  args.means = {values, limits, reinterpret_cast<const uint8_t*>(first)};
  args.squares = {values2, limits2, reinterpret_cast<const uint8_t*>(first2)};
  args.beta1 = static_cast<float>(beta1);
  args.oneMinusBeta1 = static_cast<float>(1.0 - beta1);
  args.beta2 = static_cast<float>(beta2);
  args.oneMinusBeta2 = static_cast<float>(1.0 - beta2);
  args.decay = static_cast<float>(1.0 - lr * weightDecay);
  AdamW8bitList list = {words, counts, arrays, lr, beta1, beta2, eps, args};
  parallelRange<AdamW8bitList>(adamw8bitPieces, list, piecesOf(counts, arrays), 1, threads);
}

inline void bytesDequantize(int64_t codes, int64_t absmax, int64_t rows, int64_t columns, int64_t y,
                            int type, int threads) {
  BytesArgs args = {at<const int8_t>(codes), at<const float>(absmax), columns, at(y)};
  parallelRange(active()->bytesDequantize[type], args, rows, grainRows(columns), threads);
}

inline void bytesQuantize(int64_t x, int64_t rows, int64_t columns, double threshold, int64_t codes,
                          int64_t absmax, int64_t outliers, int type, int threads) {
  BytesQuantizeArgs args = {at(x), rows, columns, static_cast<float>(threshold),
                            at<int8_t>(codes), at<float>(absmax), at<uint8_t>(outliers)};
  if (outliers != 0)
    parallelRange(active()->bytesOutliers[type], args, columns, grainRows(rows), threads);
  parallelRange(active()->bytesQuantize[type], args, rows, grainRows(columns), threads);
}

inline void bytesProduct(int64_t x, int64_t xAbsmax, int64_t w, int64_t wAbsmax, int64_t bias,
                         int64_t y, int64_t m, int64_t n, int64_t k, int type, int threads) {
  static thread_local std::vector<char> buffer;
  BytesProductArgs args = {at<const int8_t>(x),      at<const int8_t>(w),
                           at<const float>(xAbsmax), at<const float>(wAbsmax),
                           at<const float>(bias),    at(y), m, n, k, nullptr};
  if (m <= 8 || active()->bytesTiles[type] == nullptr)
    return parallelRange(active()->bytesProduct[type], args, n, grainRows(k), threads);
  int64_t rows = (m + 31) / 32 * 32, terms = (k + 63) / 64 * 64;
  args.tiles = alignedTo64<int8_t>(buffer, rows * terms);
  parallelRange(active()->bytesTilesPack, args, rows / 16, grainRows(16 * terms), threads);
  parallelRange(active()->bytesTiles[type], args, (n + 31) / 32, 1, threads);
}

/// y = x w^T + bias, or x w if transposed, in bfloat16; only with hasTiles().
inline void byteTiles(int64_t w, int64_t wAbsmax, int64_t rows, int64_t columns, bool transposed, int64_t x,
                      int64_t bias, int64_t y, int64_t m, int threads) {
  int64_t in = transposed ? rows : columns, out = transposed ? columns : rows;
  productOnTiles(ByteArray{at<const int8_t>(w), at<const float>(wAbsmax)}, rows, columns, transposed, at(x), in,
                 at(bias), at(y), out, m, threads, active()->byteTilesPack[transposed],
                 active()->byteTiles[transposed]);
}

}  // namespace peftjava
