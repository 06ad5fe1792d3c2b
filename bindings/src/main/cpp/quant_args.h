// What the kernels of quantized weights are given.
#pragma once

#include <cstdint>

#include "element.h"

namespace peftjava {

/// Numbers in blocks of consecutive elements: two 4-bit codes in a byte, the first in the high half,
/// and a scale for each block; or 8-bit codes of scales, see scaleOf in four_bit.inl.
struct FourBitArray {
  using Element = bf16;  // of x and y in products on tiles
  const uint8_t* packed;
  const float* values;         // of the 16 codes
  const float* absmax;         // null: absmax8
  const uint8_t* absmax8;      // absmax = nestedValues[absmax8[b]] nestedAbsmax[b / 256] + offset
  const float* nestedValues;   // 256
  const float* nestedAbsmax;
  float offset;
  int blockShift;  // log2 of the elements of a block, at least 5
};

/// The same for products of float32.
struct FourBitFloats : FourBitArray {
  using Element = float;
  int* unfit;  // see DenseArray
};

/// y = the numbers [first, first + count). Index space: pieces of kFourBitPiece elements.
struct FourBitDequantizeArgs {
  FourBitArray w;
  int64_t first, count;
  void* y;
};
constexpr int64_t kFourBitPiece = 4096;

/// Codes of x, and absmax; NaN for a block with a number that is not finite. Index space: blocks.
struct FourBitQuantizeArgs {
  const void* x;
  int64_t count;
  int blockShift;
  const float* thresholds;  // 16, ascending, infinity in those not used
  const uint8_t* codes;     // of the number of thresholds below |x| or x
  bool magnitudes;          // |x| is looked up, and the sign is the highest bit
  uint8_t zero;             // the code that fills up the last byte
  uint8_t* packed;
  float* absmax;
};

/// y[m, n] = sum_k x[m, k] w[n, k] + bias[n], or y[m, k] = sum_n x[m, n] w[n, k] + bias[k].
/// w is (rows, columns). Index space: rows of w, or
/// runs of kLanes * 8 columns.
struct FourBitProductArgs {
  FourBitArray w;
  int64_t rows, columns;
  const float* x;  // in the order of packX in quant_kernels.h, or plain (m, rows)
  const void* bias;  // null: none
  void* y;
  int m;
  int64_t xStride, yStride;
};

/// The same product by x of bfloat16 in integers, w x^T; see four_bit_integers.inl. Columns in whole blocks, which have 32
/// elements at least. Index space: rows of w.
struct FourBitIntegersArgs {
  static constexpr int kRows = 4;  // m at most
  FourBitArray w;
  int64_t rows, columns;
  const void* x;
  const void* bias;  // null: none
  void* y;
  int m;
  int64_t xStride, yStride;
  float codeScale;  // of w.values, see integerCodeScale
  int8_t* packed;   // x once packed: rows of packedStride bytes
  int64_t packedStride;

  /// Digits for whole runs of 128, two numbers for each block in whole vectors, one more.
  static int64_t packedBytes(int64_t columns, int blockShift) {
    return (columns + 127) / 128 * 256 + ((columns >> blockShift) + 15) / 16 * 128 + 64;
  }
};

/// Rows of int8 codes without gaps, with a scale each: code absmax / 127.
struct ByteArray {
  using Element = bf16;
  const int8_t* codes;
  const float* absmax;
};

/// Rows of numbers without gaps.
template <typename T>
struct DenseArray {
  using Element = T;
  const T* values;
  int* unfit;  // becomes 1 if the parts of a number of x or w do not make up the number: what was computed is void
};

/// y = x w^T + bias, or x w, of Weight::Element. FourBitArray: columns in whole runs of 128, blocks of 64 at least;
/// ByteArray: columns in whole tiles of 32; both without bias in x w.
/// Index space: tiles of 16 rows of x for packing; groups of 32 rows of w, or runs of 128 columns.
template <typename Weight>
struct TilesArgs {
  Weight w;
  int64_t rows, columns;
  const void* x;
  bf16* tiles;       // x once packed: a multiple of 32 rows and of 32 terms of the sum, in kParts parts
  const void* bias;  // null: none
  void* y;
  int64_t m, xStride, yStride;
};
/// Numbers of a type are sums of so many of bfloat16.
template <typename T>
constexpr int kPartsOf = sizeof(T) == 4 ? 3 : 1;
using FourBitTilesArgs = TilesArgs<FourBitArray>;
using FourBitFloatTilesArgs = TilesArgs<FourBitFloats>;
using ByteTilesArgs = TilesArgs<ByteArray>;
template <typename T>
using DenseTilesArgs = TilesArgs<DenseArray<T>>;

/// 1 / 127 and 1 / 127^2.
constexpr float kByteInverse = static_cast<float>(7.874015718698502e-3);
constexpr float kByteInverseSquared = static_cast<float>(1.0 / (127 * 127));

/// y = codes absmax / 127, (rows, columns). Index space: rows.
struct BytesArgs {
  const int8_t* codes;
  const float* absmax;
  int64_t columns;
  void* y;
};

/// codes = x 127 / absmax. With a threshold, larger values do not count for absmax, and columns that hold
/// one, as `outliers` says, get code 0. Index space: columns for outliers, then rows.
struct BytesQuantizeArgs {
  const void* x;
  int64_t rows, columns;
  float threshold;
  int8_t* codes;
  float* absmax;
  uint8_t* outliers;  // null: no threshold
};

/// y[m, n] = sum_k x[m, k] w[n, k] (xAbsmax[m] wAbsmax[n]) / 127^2 + bias[n]. Index space: n; with
/// tiles 16 rows of x for packing, then 32 rows of w.
struct BytesProductArgs {
  const int8_t *x, *w;
  const float *xAbsmax, *wAbsmax, *bias;  // bias null: none
  void* y;
  int64_t m, n, k;
  int8_t* tiles;  // x once packed: a multiple of 32 rows and of 64 terms
};

}  // namespace peftjava
