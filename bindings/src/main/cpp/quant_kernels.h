// The functions that KernelLibrary.java binds for quantized weights; as kernels.h.
#pragma once

#include "kernels.h"

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

inline void fourBitProduct(const int64_t* w, int64_t rows, int64_t columns, bool transposed,
                           int64_t x, int64_t xStride, int64_t bias, int64_t y, int64_t yStride,
                           int m, int type, int threads) {
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

/// y = x w^T + bias, or x w if transposed.
template <typename Weight>
inline void productOnTiles(const Weight& w, int64_t rows, int64_t columns, bool transposed, int64_t x,
                        int64_t xStride, int64_t bias, int64_t y, int64_t yStride, int64_t m,
                        int threads, Range<TilesArgs<Weight>> pack, Range<TilesArgs<Weight>> product) {
  static thread_local std::vector<char> buffer;
  int64_t terms = transposed ? (rows + 31) / 32 * 32 : columns;
  int64_t padded = (m + 31) / 32 * 32;
  auto* tiles = alignedTo64<bf16>(buffer, padded * terms);
  TilesArgs<Weight> args = {w, rows, columns, at(x), tiles, at(bias), at(y), m, xStride, yStride};
  parallelRange(pack, args, m <= 16 && !transposed ? 1 : padded / 16, grainRows(16 * terms), threads);
  parallelRange(product, args, transposed ? (columns + 127) / 128 : (rows + 31) / 32, 1, threads);
}

inline void fourBitTiles(const int64_t* w, int64_t rows, int64_t columns, bool transposed,
                         int64_t x, int64_t xStride, int64_t bias, int64_t y, int64_t yStride,
                         int64_t m, int threads) {
  productOnTiles(fourBitArray(w), rows, columns, transposed, x, xStride, bias, y, yStride, m, threads,
              active()->fourBitTilesPack[transposed], active()->fourBitTiles[transposed]);
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
  productOnTiles(ByteArray{at<const int8_t>(w), at<const float>(wAbsmax)}, rows, columns, transposed, x,
              in, bias, y, out, m, threads, active()->byteTilesPack[transposed],
              active()->byteTiles[transposed]);
}

}  // namespace peftjava
