// The functions that KernelLibrary.java binds for products of a small rank; as kernels.h.
#pragma once

#include "kernels.h"

namespace peftjava {

/// w as LowRankArgs::down; itself where it lies that way.
inline const float* packedDown(const float* w, bool transposed, int64_t d, int64_t r,
                               std::vector<char>& buffer) {
  const int64_t lanes = active()->lanes;
  if (transposed && r == lanes) return w;
  const int64_t groups = (r + lanes - 1) / lanes;
  float* packed = alignedTo64<float>(buffer, groups * d * lanes);
  for (int64_t g = 0; g < groups; g++)
    for (int64_t k = 0; k < d; k++)
      for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t j = g * lanes + lane;
        packed[(g * d + k) * lanes + lane] =
            j >= r ? 0.0f : transposed ? w[k * r + j] : w[j * d + k];
      }
  return packed;
}

/// w (r, o); a (o, r) is transposed.
inline const float* packedUp(const float* w, bool transposed, int64_t o, int64_t r,
                             std::vector<char>& buffer) {
  if (!transposed) return w;
  float* packed = alignedTo64<float>(buffer, r * o);
  for (int64_t i = 0; i < o; i++)
    for (int64_t j = 0; j < r; j++) packed[j * o + i] = w[i * r + j];
  return packed;
}

/// Rows through the ranks: low = scale mask(x) down^T, y (+)= low up. Forward: down (r, d), up (o, r),
/// added, x masked. Else, for the gradient of x: down (d, r), up (r, o), written, y masked.
inline void lowRank(int64_t x, int xType, int64_t down, int64_t up, int64_t low, int64_t y,
                    int yType, int64_t n, int64_t d, int64_t o, int64_t r, double scale,
                    bool forward, double p, int64_t seed, int threads) {
  static thread_local std::vector<char> downBuffer, upBuffer;
  DropoutArgs mask = dropoutArgs(nullptr, nullptr, n * (forward ? d : o), p, seed, 0);
  const DropoutArgs* masked = p == 0.0 ? nullptr : &mask;
  LowRankArgs args = {at(x),
                      at(y),
                      packedDown(at<const float>(down), !forward, d, r, downBuffer),
                      y == 0 ? nullptr : packedUp(at<const float>(up), forward, o, r, upBuffer),
                      at<float>(low),
                      n,
                      d,
                      o,
                      r,
                      static_cast<float>(scale),
                      forward,
                      forward ? masked : nullptr,
                      forward ? nullptr : masked};
  const int64_t tiles = (n + LowRankArgs::kLowRankRows - 1) / LowRankArgs::kLowRankRows;
  parallelRange(active()->lowRank[xType][yType], args, tiles, grainRows(LowRankArgs::kLowRankRows * (d + o)),
                threads);
}

inline void lowRankGrad(int64_t x, int xType, int64_t low, int64_t gw, int64_t n, int64_t d,
                        int64_t r, bool transposed, double p, int64_t seed, int threads) {
  DropoutArgs mask = dropoutArgs(nullptr, nullptr, n * d, p, seed, 0);
  LowRankGradArgs args = {at(x), at<const float>(low), at<float>(gw), n, d, r, transposed,
                          p == 0.0 ? nullptr : &mask};
  const int64_t blocks = (d + LowRankGradArgs::kColumns - 1) / LowRankGradArgs::kColumns;
  parallelRange(active()->lowRankGrad[xType], args, blocks,
                grainRows(n * LowRankGradArgs::kColumns), threads);
}

/// The rows of a run from which on its matrices are worth being packed.
constexpr int64_t kPackedRun = 5;

/// y += scale x a^T b^T for runs of rows, without a mask.
inline void lowRankRuns(int64_t x, int xType, int64_t y, int yType, int64_t d, int64_t o,
                        const int64_t* row, const int64_t* rows, const int64_t* a,
                        const int64_t* b, const int64_t* r, const double* scale, int count,
                        int threads) {
  static thread_local std::vector<char> lowBuffer;
  static thread_local std::vector<LowRankRun> runs;
  int64_t numbers = 0, ranks = 0, elements = 0;
  for (int i = 0; i < count; i++) numbers += rows[i] * r[i];
  float* low = alignedTo64<float>(lowBuffer, numbers);
  const int64_t xSize = xType == kFloat32 ? 4 : 2, ySize = yType == kFloat32 ? 4 : 2;
  runs.clear();
  for (int i = 0; i < count; i++) {
    if (rows[i] >= kPackedRun) {
      lowRank(x + row[i] * d * xSize, xType, a[i], b[i],
              static_cast<int64_t>(reinterpret_cast<intptr_t>(low)), y + row[i] * o * ySize, yType,
              rows[i], d, o, r[i], scale[i], true, 0.0, 0, threads);
    } else {
      runs.push_back({row[i], rows[i], at<const float>(a[i]), at<const float>(b[i]), r[i],
                      static_cast<float>(scale[i]), low, ranks});
      ranks += r[i];
      elements += rows[i] * r[i];
    }
    low += rows[i] * r[i];
  }
  if (runs.empty()) return;
  LowRankRunsArgs args = {at(x), at(y), runs.data(), static_cast<int64_t>(runs.size()), d, o};
  parallelRange(active()->lowRankDown[xType], args, ranks, grainRows(d), threads);
  parallelRange(active()->lowRankUp[yType], args, args.count * o, grainRows(elements / args.count),
                threads);
}

}  // namespace peftjava
