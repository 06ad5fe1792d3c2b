// What a kernel is given, and the table of kernels that each instruction set fills in.
//
// A kernel works on one range of its index space on the calling thread; parallel.h hands out the
// ranges. No kernel's result depends on where the ranges are cut.
#pragma once

#include <cstdint>

#include "heads.h"
#include "quant_args.h"

namespace peftjava {

/// y[m, n] = sum_k x[m, k] w[n, k] + bias[n]. Strides count elements. Index space: n.
struct ProductArgs {
  const void* x;
  const void* w;
  const void* bias;  // null: none
  void* y;
  int m;
  int64_t k, xStride, wStride, yStride;
};

/// Per row: loss = log(sum exp(z)) - z[target]; then, if asked, z = (softmax(z) - onehot) scale.
struct CrossEntropyArgs {
  void* logits;
  const int64_t* targets;
  double* rowLoss;
  int64_t vocabulary, stride, ignoreIndex;
  float scale;
  bool gradient;
};

/// y = keep(i) x * multiplier, or y += ... Index space: blocks of 64 elements.
struct DropoutArgs {
  const void* x;
  void* y;
  int64_t count;
  uint64_t seed, offset;
  uint32_t threshold;  // an element is kept when its random word is >= threshold
  bool keepAll, dropAll;
  float multiplier;
};

/// low = scale mask(x) down^T; y (+)= low up, or y = mask(low up). Index space: tiles of kLowRankRows rows.
struct LowRankArgs {
  static constexpr int kLowRankRows = 8;
  const void* x;      // (n, d)
  void* y;            // (n, o)
  const float* down;  // by groups of a vector's lanes of ranks: (d, lanes), zeros beyond the rank
  const float* up;    // (r, o)
  float* low;         // (n, r)
  int64_t n, d, o, r;
  float scale;
  bool add;
  const DropoutArgs* maskX;  // null: none
  const DropoutArgs* maskY;
};

/// gw (r, d) = low^T mask(x), or its transpose. Index space: blocks of kColumns columns of x.
struct LowRankGradArgs {
  static constexpr int kColumns = 64;
  const void* x;     // (n, d)
  const float* low;  // (n, r)
  float* gw;
  int64_t n, d, r;
  bool transposed;           // gw as (d, r)
  const DropoutArgs* maskX;  // null: none
};

/// A few rows of a batch and the matrices that change them.
struct LowRankRun {
  int64_t row, rows;
  const float* a;  // (r, d)
  const float* b;  // (o, r)
  int64_t r;
  float scale;
  float* low;          // (rows, r)
  int64_t ranksBefore;  // of the runs before this one
};

/// low = scale x a^T for each run (index space: their ranks), then y += low b^T (their columns).
struct LowRankRunsArgs {
  const void* x;  // (n, d)
  void* y;        // (n, o)
  const LowRankRun* runs;
  int64_t count, d, o;
};

/// h = x + residual (when given); y = (h - mean) rstd weight + bias. Index space: rows.
struct LayerNormArgs {
  const void* x;
  const void* residual;  // null: h is x and sum is not written
  void* sum;
  const void* weight;  // null: 1
  const void* bias;    // null: 0
  void* y;
  float* mean;
  float* rstd;
  int64_t width;
  double eps;
};

/// Gradient of LayerNormArgs with respect to h. Index space: rows (input) or columns (weights).
struct LayerNormGradArgs {
  const void* gy;
  const void* h;
  const void* weight;  // null: 1
  const float* mean;
  const float* rstd;
  const void* add;  // null: nothing; else added to gh, may be gh itself
  void* gh;
  void* gweight;  // null: not wanted
  void* gbias;    // null: not wanted
  int64_t rows, width;
};

/// y = x rstd (weight + offset), with x rstd rounded to its type where asked. Index space: rows.
struct RmsNormArgs {
  const void* x;
  const void* weight;
  void* y;
  float* rstd;  // null: not wanted
  int64_t width;
  double eps;
  float offset;
  bool roundFirst;
};

/// Gradient of RmsNormArgs. Index space: rows (input) or columns (weight).
struct RmsNormGradArgs {
  const void* gy;
  const void* x;
  const void* weight;
  const float* rstd;
  void* gx;
  void* gweight;
  int64_t rows, width;
  float offset;
  bool roundFirst;
};

/// One AdamW step on elements [begin, end) of one parameter.
struct AdamWArgs {
  float* p;
  const float* g;
  float* m;
  float* v;
  float gradScale, decay, oneMinusBeta1, beta2, oneMinusBeta2, rootCorrection2, eps, negStepSize;
};

/// A map of 256 values in [-1, 1]: a code is the number of limits below a number.
struct ByteMap {
  const float* values;
  const float* limits;   // ascending; the last is infinite
  const uint8_t* first;  // the code of the least number whose upper 16 bits are these
};

/// One AdamW step on elements [begin, end) of one parameter, from a multiple of 256 on.
struct AdamW8bitArgs {
  void* p;
  const void* g;
  void* m;         // codes, or float32 without scales
  void* v;
  float* mScales;  // null: none
  float* vScales;
  ByteMap means, squares;
  float beta1, oneMinusBeta1, beta2, oneMinusBeta2, rate, eps, decay;
};

/// y = relu(y + bias) by rows. Index space: rows.
struct BiasReluArgs {
  void* y;
  const void* bias;  // null: none
  int64_t width, stride;
};

/// gx = y <= 0 ? 0 : g. Index space: elements.
struct ReluGradArgs {
  const void* g;
  const void* y;
  void* gx;
};

/// y = silu(gate) up. Index space: elements.
struct GatedArgs {
  const void* gate;
  const void* up;
  void* y;
};

/// Gradient of GatedArgs. Index space: elements.
struct GatedGradArgs {
  const void* gy;
  const void* gate;
  const void* up;
  void* ggate;
  void* gup;
};

constexpr int64_t kWideUnit = 48;  // rows of a weight that a thread takes at a time
constexpr int64_t kFewRows = 32;  // of x: two tiles, whose sums stay near while a weight is read once

/// y = x W^T + bias (x (m, columns)) or x W + bias (x (m, rows)) for W (rows, columns); see wide_product.inl.
struct WideProductArgs {
  const float* x;
  const float* w;
  const float* bias;  // null: none
  float* y;
  float* packed;      // room for x in whole panels, for x W^T
  int64_t m, rows, columns;
};

constexpr int64_t kQueryRows = 48;  // queries of a block
constexpr int64_t kFewQueries = 8;  // so few read the keys where they are

/// Attention and its gradient; see attention.inl.
struct AttentionArgs {
  int64_t batches, heads, keyHeads, queries, keys, size;
  AttentionOperand q, k, v, y, mask;  // mask.data null: none
  AttentionOperand g, gq, gk, gv;     // backward
  float* logSums;                     // (batches, heads, queries); null: not wanted
  int maskType;
  bool causal, drops;                 // query i sees keys up to i only
  float scale, cap;                   // cap 0: scores are not bounded
  DropoutArgs dropout;                // element (row, key) of rows of whole blocks; multiplier 1 without
};

template <typename Args>
using Range = void (*)(const Args&, int64_t begin, int64_t end);

/// Products with a dense weight on tiles, by x w^T and x w.
template <typename T>
struct DenseTiles {
  Range<DenseTilesArgs<T>> pack[2] = {};
  Range<DenseTilesArgs<T>> product[2] = {};
};

/// One instruction set's kernels; indices are ElementType codes in the order the comments name.
struct KernelTable {
  const char* name;
  int lanes;                                // floats in one vector
  Range<ProductArgs> product[2];            // x, w, bias, y
  Range<ProductArgs> transposedProduct[2];  // the same, w as (k, n)
  Range<CrossEntropyArgs> crossEntropy[2];  // logits
  Range<DropoutArgs> dropout[2][2];         // x, y
  Range<DropoutArgs> dropoutAdd[2][2];      // x, y
  Range<LayerNormArgs> layerNorm[2][2];     // activations, weights
  Range<LayerNormGradArgs> layerNormInputGrad[2][2];
  Range<LayerNormGradArgs> layerNormWeightGrad[2][2];
  Range<AdamWArgs> adamw;
  Range<AdamW8bitArgs> adamw8bit[2];  // p and g
  double (*squaredNorm[2])(const void* x, int64_t count);
  void (*scale[2])(void* x, int64_t count, float factor);
  Range<BiasReluArgs> biasRelu[2][2];  // y, bias
  Range<ReluGradArgs> reluGrad[2];
  Range<RmsNormArgs> rmsNorm[2][2];      // activations, weights
  Range<RmsNormGradArgs> rmsNormInputGrad[2][2];
  Range<RmsNormGradArgs> rmsNormWeightGrad[2][2];
  Range<GatedArgs> siluProduct[2];
  Range<GatedGradArgs> siluProductGrad[2];
  Range<RotationArgs> rotation[2];
  Range<AttentionArgs> attention[2];
  Range<AttentionArgs> attentionGrad[2];
  Range<LowRankArgs> lowRank[2][2];    // x, y
  Range<LowRankGradArgs> lowRankGrad[2];  // x
  Range<LowRankRunsArgs> lowRankDown[2];  // x
  Range<LowRankRunsArgs> lowRankUp[2];    // y
  Range<FourBitDequantizeArgs> fourBitDequantize[2];  // y
  Range<FourBitQuantizeArgs> fourBitQuantize[2];      // x
  Range<FourBitProductArgs> fourBitProduct[2];        // bias, y
  Range<FourBitProductArgs> fourBitTransposed[2];
  Range<BytesArgs> bytesDequantize[2];          // y
  Range<BytesQuantizeArgs> bytesOutliers[2];    // x
  Range<BytesQuantizeArgs> bytesQuantize[2];    // x
  Range<BytesProductArgs> bytesProduct[2];      // y
  // Null below AVX-512
  Range<WideProductArgs> widePack = nullptr;
  Range<WideProductArgs> wideProduct[2] = {};  // x W, x W^T
  // Null without byte products (VNNI)
  bool (*fourBitIntegersPack)(const FourBitIntegersArgs&) = nullptr;  // false: x has a number that is not finite
  Range<FourBitIntegersArgs> fourBitIntegers = nullptr;
  // Without AMX null; by x w^T and x w. bytesTiles has products of int8 numbers, byteTiles of bfloat16 ones.
  Range<FourBitTilesArgs> fourBitTilesPack[2] = {};
  Range<FourBitTilesArgs> fourBitTiles[2] = {};
  Range<FourBitFloatTilesArgs> fourBitFloatTilesPack[2] = {};
  Range<FourBitFloatTilesArgs> fourBitFloatTiles[2] = {};
  Range<BytesProductArgs> bytesTilesPack = nullptr;
  Range<BytesProductArgs> bytesTiles[2] = {};  // y
  Range<ByteTilesArgs> byteTilesPack[2] = {};
  Range<ByteTilesArgs> byteTiles[2] = {};
  DenseTiles<float> floatTiles;
  DenseTiles<bf16> halfTiles;
};

}  // namespace peftjava
