// Every kernel over the vectors of one instruction set; included once for each, inside its namespace.

/// The next vector of a row with `left` elements to go; lanes past the end are 0.
template <typename T>
inline Vec loadUpTo(const T* p, int64_t left) {
  return left >= kLanes ? load(p) : loadPart(p, static_cast<int>(left));
}
template <typename T>
inline void storeUpTo(T* p, Vec a, int64_t left) {
  if (left >= kLanes) {
    store(p, a);
  } else {
    storePart(p, a, static_cast<int>(left));
  }
}
/// 0 in the lanes past the end.
inline Vec keepUpTo(Vec a, int64_t left) {
  return left >= kLanes ? a : keepLanes((1u << left) - 1u, a);
}

#include "product.inl"
#include "cross_entropy.inl"
#include "dropout.inl"
#include "layer_norm.inl"
#include "optimizer.inl"
#include "optimizer_8bit.inl"
#include "elementwise.inl"
#include "rms_norm.inl"
#include "gated.inl"
#include "rotation.inl"
#include "attention_product.inl"
#include "attention.inl"
#include "attention_grad.inl"
#include "low_rank.inl"
#include "four_bit.inl"
#include "four_bit_product.inl"
#include "int8.inl"
#include "int8_product.inl"

#define PEFTJAVA_BY_TYPE(kernel) {kernel<float>, kernel<bf16>}
#define PEFTJAVA_BY_TYPES(kernel) \
  {{kernel<float, float>, kernel<float, bf16>}, {kernel<bf16, float>, kernel<bf16, bf16>}}

template <typename X, typename Y>
void dropoutWrite(const DropoutArgs& a, int64_t begin, int64_t end) {
  dropout<X, Y, false>(a, begin, end);
}
template <typename X, typename Y>
void dropoutAdd(const DropoutArgs& a, int64_t begin, int64_t end) {
  dropout<X, Y, true>(a, begin, end);
}

inline KernelTable makeTable(const char* name) {
  return {name,
          kLanes,
          PEFTJAVA_BY_TYPE(product),
          PEFTJAVA_BY_TYPE(transposedProduct),
          PEFTJAVA_BY_TYPE(crossEntropy),
          PEFTJAVA_BY_TYPES(dropoutWrite),
          PEFTJAVA_BY_TYPES(dropoutAdd),
          PEFTJAVA_BY_TYPES(layerNorm),
          PEFTJAVA_BY_TYPES(layerNormInputGrad),
          PEFTJAVA_BY_TYPES(layerNormWeightGrad),
          adamw,
          PEFTJAVA_BY_TYPE(adamw8bit),
          PEFTJAVA_BY_TYPE(squaredNorm),
          PEFTJAVA_BY_TYPE(scaleInPlace),
          PEFTJAVA_BY_TYPES(biasRelu),
          PEFTJAVA_BY_TYPE(reluGrad),
          PEFTJAVA_BY_TYPES(rmsNorm),
          PEFTJAVA_BY_TYPES(rmsNormInputGrad),
          PEFTJAVA_BY_TYPES(rmsNormWeightGrad),
          PEFTJAVA_BY_TYPE(siluProduct),
          PEFTJAVA_BY_TYPE(siluProductGrad),
          PEFTJAVA_BY_TYPE(rotation),
          PEFTJAVA_BY_TYPE(attention),
          PEFTJAVA_BY_TYPE(attentionGrad),
          PEFTJAVA_BY_TYPES(lowRank),
          PEFTJAVA_BY_TYPE(lowRankGrad),
          PEFTJAVA_BY_TYPE(lowRankDown),
          PEFTJAVA_BY_TYPE(lowRankUp),
          PEFTJAVA_BY_TYPE(fourBitDequantize),
          PEFTJAVA_BY_TYPE(fourBitQuantize),
          PEFTJAVA_BY_TYPE(fourBitProduct),
          PEFTJAVA_BY_TYPE(fourBitTransposed),
          PEFTJAVA_BY_TYPE(bytesDequantize),
          PEFTJAVA_BY_TYPE(bytesOutliers),
          PEFTJAVA_BY_TYPE(bytesQuantize),
          PEFTJAVA_BY_TYPE(bytesProduct)};
}

#undef PEFTJAVA_BY_TYPE
#undef PEFTJAVA_BY_TYPES
