// The functions that KernelLibrary.java binds: addresses as integers in, one call per kernel.
//
// Arguments are checked on the Java side; here addresses are trusted.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "blas_threads.h"
#include "instruction_sets.h"
#include "parallel.h"

namespace peftjava {

inline std::atomic<const KernelTable*>& chosen() {
  static std::atomic<const KernelTable*> table(&tableOf(highestLevel()));
  return table;
}

inline const KernelTable* active() { return chosen().load(std::memory_order_relaxed); }

inline void useLevel(int level) { chosen().store(&tableOf(level), std::memory_order_relaxed); }

/// For example "avx512, 16 floats a vector, OpenMP 201511 with up to 2 threads".
inline std::string describe() {
  std::string text = std::string(active()->name) + ", " + std::to_string(active()->lanes) +
                     " floats a vector, ";
#if defined(_OPENMP)
  text += "OpenMP " + std::to_string(_OPENMP) + " with up to " +
          std::to_string(omp_get_max_threads()) + " threads";
#elif defined(__APPLE__)
  text += "Grand Central Dispatch";
#else
  text += "one thread";
#endif
  return text;
}

template <typename T = void>
inline T* at(int64_t address) {
  return reinterpret_cast<T*>(static_cast<intptr_t>(address));
}

inline void product(int64_t x, int64_t xStride, int64_t w, int64_t wStride, int64_t bias, int64_t y,
                    int64_t yStride, int m, int64_t n, int64_t k, bool transposed, int type,
                    int threads) {
  ProductArgs args = {at(x), at(w), at(bias), at(y), m, k, xStride, wStride, yStride};
  auto kernel = transposed ? active()->transposedProduct[type] : active()->product[type];
  parallelRange(kernel, args, n, grainRows(k), threads);
}

/// The first row whose target is neither a class nor the ignored index; -1: none.
inline int64_t firstBadTarget(int64_t targets, int64_t rows, int64_t vocabulary, int64_t ignore) {
  const int64_t* t = at<const int64_t>(targets);
  for (int64_t row = 0; row < rows; row++)
    if (t[row] != ignore && (t[row] < 0 || t[row] >= vocabulary)) return row;
  return -1;
}

inline int64_t targetAt(int64_t targets, int64_t row) { return at<const int64_t>(targets)[row]; }

inline int64_t countTargets(int64_t targets, int64_t rows, int64_t ignore) {
  const int64_t* t = at<const int64_t>(targets);
  int64_t count = 0;
  for (int64_t row = 0; row < rows; row++) count += t[row] != ignore;
  return count;
}

/// The sum of the rows' losses, added up in row order.
inline double crossEntropy(int64_t logits, int64_t targets, int64_t rowLosses, int64_t rows,
                           int64_t vocabulary, int64_t stride, int64_t ignore, float scale,
                           bool gradient, int type, int threads) {
  static thread_local std::vector<double> losses;
  double* rowLoss = at<double>(rowLosses);
  if (rowLoss == nullptr) {
    losses.resize(static_cast<size_t>(rows));
    rowLoss = losses.data();
  }
  CrossEntropyArgs args = {at(logits), at<const int64_t>(targets), rowLoss,  vocabulary,
                           stride,     ignore,                     scale,    gradient};
  parallelRange(active()->crossEntropy[type], args, rows, grainRows(vocabulary), threads);
  double sum = 0.0;
  for (int64_t row = 0; row < rows; row++) sum += rowLoss[row];
  return sum;
}

inline DropoutArgs dropoutArgs(const void* x, void* y, int64_t count, double p, int64_t seed, int64_t offset) {
  double bound = p * 4294967296.0 + 0.5;
  bool dropAll = bound >= 4294967296.0;
  uint32_t threshold = dropAll ? 0 : static_cast<uint32_t>(bound);
  return {x,
          y,
          count,
          static_cast<uint64_t>(seed),
          static_cast<uint64_t>(offset),
          threshold,
          !dropAll && threshold == 0,
          dropAll,
          dropAll ? 0.0f : static_cast<float>(1.0 / (1.0 - p))};
}

inline void dropout(int64_t x, int xType, int64_t y, int yType, int64_t count, double p,
                    int64_t seed, int64_t offset, bool add, int threads) {
  DropoutArgs args = dropoutArgs(at(x), at(y), count, p, seed, offset);
  auto kernel = add ? active()->dropoutAdd[xType][yType] : active()->dropout[xType][yType];
  parallelRange(kernel, args, (count + 63) / 64, kGrainElements / 64, threads);
}

inline void layerNorm(int64_t x, int64_t residual, int64_t sum, int64_t weight, int64_t bias,
                      int64_t y, int64_t mean, int64_t rstd, int64_t rows, int64_t width,
                      double eps, int type, int weightType, int threads) {
  LayerNormArgs args = {at(x), at(residual),    at(sum),         at(weight), at(bias),
                        at(y), at<float>(mean), at<float>(rstd), width,      eps};
  parallelRange(active()->layerNorm[type][weightType], args, rows, grainRows(width), threads);
}

inline void layerNormGrad(int64_t gy, int64_t h, int64_t weight, int64_t mean, int64_t rstd,
                          int64_t add, int64_t gh, int64_t gweight, int64_t gbias, int64_t rows,
                          int64_t width, int type, int weightType, int threads) {
  LayerNormGradArgs args = {at(gy),  at(h),       at(weight), at<const float>(mean),
                            at<const float>(rstd), at(add),    at(gh), at(gweight),
                            at(gbias), rows,        width};
  // Weights first: gh may be gy itself.
  if (gweight != 0 || gbias != 0)
    parallelRange(active()->layerNormWeightGrad[type][weightType], args, width, grainRows(rows),
                  threads);
  if (gh != 0)
    parallelRange(active()->layerNormInputGrad[type][weightType], args, rows, grainRows(width),
                  threads);
}

inline void rmsNorm(int64_t x, int64_t weight, int64_t y, int64_t rstd, int64_t rows, int64_t width,
                    double eps, double offset, bool roundFirst, int type, int weightType,
                    int threads) {
  RmsNormArgs args = {at(x), at(weight), at(y), at<float>(rstd),
                      width, eps,        static_cast<float>(offset), roundFirst};
  parallelRange(active()->rmsNorm[type][weightType], args, rows, grainRows(width), threads);
}

inline void rmsNormGrad(int64_t gy, int64_t x, int64_t weight, int64_t rstd, int64_t gx,
                        int64_t gweight, int64_t rows, int64_t width, double offset,
                        bool roundFirst, int type, int weightType, int threads) {
  RmsNormGradArgs args = {at(gy),      at(x), at(weight), at<const float>(rstd),      at(gx),
                          at(gweight), rows,  width,      static_cast<float>(offset), roundFirst};
  if (gweight != 0)
    parallelRange(active()->rmsNormWeightGrad[type][weightType], args, width, grainRows(rows),
                  threads);
  if (gx != 0)
    parallelRange(active()->rmsNormInputGrad[type][weightType], args, rows, grainRows(width),
                  threads);
}

inline void siluProduct(int64_t gate, int64_t up, int64_t y, int64_t count, int type, int threads) {
  GatedArgs args = {at(gate), at(up), at(y)};
  parallelRange(active()->siluProduct[type], args, count, kGrainElements, threads);
}

inline void siluProductGrad(int64_t gy, int64_t gate, int64_t up, int64_t ggate, int64_t gup,
                            int64_t count, int type, int threads) {
  GatedGradArgs args = {at(gy), at(gate), at(up), at(ggate), at(gup)};
  parallelRange(active()->siluProductGrad[type], args, count, kGrainElements, threads);
}

/// Elements of one piece of a list of arrays: a thread takes whole pieces, in list order.
constexpr int64_t kPiece = 16384;

inline int64_t piecesOf(const int64_t* counts, int arrays) {
  int64_t pieces = 0;
  for (int i = 0; i < arrays; i++) pieces += (counts[i] + kPiece - 1) / kPiece;
  return pieces;
}

/// Calls visit(array, begin, end, piece) for pieces [first, last) of the list.
template <typename Visit>
void eachPiece(const int64_t* counts, int arrays, int64_t first, int64_t last, Visit visit) {
  int64_t piece = 0;
  for (int i = 0; i < arrays && piece < last; i++)
    for (int64_t begin = 0; begin < counts[i] && piece < last; begin += kPiece, piece++)
      if (piece >= first)
        visit(i, begin, begin + kPiece < counts[i] ? begin + kPiece : counts[i], piece);
}

struct AdamWList {
  const int64_t *p, *g, *m, *v, *counts;
  int arrays;
  AdamWArgs step;
};

inline void adamwPieces(const AdamWList& list, int64_t first, int64_t last) {
  eachPiece(list.counts, list.arrays, first, last,
            [&](int i, int64_t begin, int64_t end, int64_t) {
              AdamWArgs args = list.step;
              args.p = at<float>(list.p[i]);
              args.g = at<const float>(list.g[i]);
              args.m = at<float>(list.m[i]);
              args.v = at<float>(list.v[i]);
              active()->adamw(args, begin, end);
            });
}

inline void adamw(const int64_t* p, const int64_t* g, const int64_t* m, const int64_t* v,
                  const int64_t* counts, int arrays, double gradScale, double lr, double beta1,
                  double beta2, double eps, double weightDecay, int64_t step, int threads) {
  double correction1 = 1.0 - std::pow(beta1, static_cast<double>(step));
  double correction2 = 1.0 - std::pow(beta2, static_cast<double>(step));
  AdamWArgs args = {};
  args.gradScale = static_cast<float>(gradScale);
  args.decay = static_cast<float>(1.0 - lr * weightDecay);
  args.oneMinusBeta1 = static_cast<float>(1.0 - beta1);
  args.beta2 = static_cast<float>(beta2);
  args.oneMinusBeta2 = static_cast<float>(1.0 - beta2);
  args.rootCorrection2 = static_cast<float>(std::sqrt(correction2));
  args.eps = static_cast<float>(eps);
  args.negStepSize = static_cast<float>(-(lr / correction1));
  AdamWList list = {p, g, m, v, counts, arrays, args};
  parallelRange<AdamWList>(adamwPieces, list, piecesOf(counts, arrays), 1, threads);
}

struct NormList {
  const int64_t *arrays, *counts;
  int count, type;
  double* partial;
  float factor;
};

inline void normPieces(const NormList& list, int64_t first, int64_t last) {
  int64_t size = list.type == kFloat32 ? 4 : 2;
  eachPiece(list.counts, list.count, first, last,
            [&](int i, int64_t begin, int64_t end, int64_t piece) {
              list.partial[piece] = active()->squaredNorm[list.type](
                  at(list.arrays[i] + begin * size), end - begin);
            });
}

/// Sum of squares over a list of arrays; pieces are added in list order, whatever the threads.
inline double squaredNorm(const int64_t* arrays, const int64_t* counts, int count, int type,
                          int threads) {
  static thread_local std::vector<double> partial;
  int64_t pieces = piecesOf(counts, count);
  partial.resize(static_cast<size_t>(pieces));
  NormList list = {arrays, counts, count, type, partial.data(), 1.0f};
  parallelRange<NormList>(normPieces, list, pieces, 1, threads);
  double sum = 0.0;
  for (double part : partial) sum += part;
  return sum;
}

inline void scalePieces(const NormList& list, int64_t first, int64_t last) {
  int64_t size = list.type == kFloat32 ? 4 : 2;
  eachPiece(list.counts, list.count, first, last,
            [&](int i, int64_t begin, int64_t end, int64_t) {
              active()->scale[list.type](at(list.arrays[i] + begin * size), end - begin,
                                         list.factor);
            });
}

inline void scale(const int64_t* arrays, const int64_t* counts, int count, double factor, int type,
                  int threads) {
  NormList list = {arrays, counts, count, type, nullptr, static_cast<float>(factor)};
  parallelRange<NormList>(scalePieces, list, piecesOf(counts, count), 1, threads);
}

inline void biasRelu(int64_t y, int64_t stride, int type, int64_t bias, int biasType, int64_t rows,
                     int64_t width, int threads) {
  BiasReluArgs args = {at(y), at(bias), width, stride};
  parallelRange(active()->biasRelu[type][biasType], args, rows, grainRows(width), threads);
}

inline void reluGrad(int64_t g, int64_t y, int64_t gx, int64_t count, int type, int threads) {
  ReluGradArgs args = {at(g), at(y), at(gx)};
  parallelRange(active()->reluGrad[type], args, count, kGrainElements, threads);
}

}  // namespace peftjava
