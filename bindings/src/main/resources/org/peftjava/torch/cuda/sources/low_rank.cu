// LoRA: float32 matrices cut into bfloat16 parts for products on tensor cores, and the whole update of few rows.
#include "element.cuh"

/// A number is the sum of three bfloat16 numbers, but for what is below 2^-24 of it. What is not finite is its first part.
///
/// `in` is (rows, inBlocks * columns): a number is the sum of its blocks, times scale. It goes to `sum`, (rows, columns), if there is
/// one, and its parts to `out`, (rows, outBlocks * columns): block b holds part number (pattern >> 2 b) & 3.
struct Cut {
  const float* in;
  int inBlocks;
  float scale;
  float* sum;
  bf16* out;
  int outBlocks;
  u32 pattern;
  i64 rows, columns;
};

__device__ __forceinline__ void cut(const Cut& c, i64 block) {
  const i64 i = block * blockDim.x + threadIdx.x;
  if (i >= c.rows * c.columns) return;
  const i64 row = i / c.columns, column = i - row * c.columns;
  const float* from = c.in + row * c.inBlocks * c.columns + column;
  float value = 0.0f;
  for (int b = c.inBlocks - 1; b >= 0; b--) value += from[b * c.columns];
  value *= c.scale;
  if (c.sum) c.sum[i] = value;
  if (!c.out) return;
  float part[3];
  float rest = value;
#pragma unroll
  for (int p = 0; p < 3; p++) {
    part[p] = rounded<bf16>(rest);
    rest = magnitudeBits(part[p]) < 0x7f800000u ? rest - part[p] : 0.0f;
  }
  bf16* to = c.out + row * c.outBlocks * c.columns + column;
  for (int b = 0; b < c.outBlocks; b++) {
    const u32 number = (c.pattern >> (2 * b)) & 3;
    put(to + b * c.columns, number == 0 ? part[0] : number == 1 ? part[1] : part[2]);
  }
}

extern "C" __global__ void parts(const float* in, int inBlocks, float scale, float* sum, bf16* out, int outBlocks, u32 pattern,
                                 i64 rows, i64 columns) {
  cut(Cut{in, inBlocks, scale, sum, out, outBlocks, pattern, rows, columns}, blockIdx.x);
}

/// Of two matrices, the first one in so many thread blocks.
extern "C" __global__ void partsOfTwo(i64 blocks, const float* in, int inBlocks, float scale, float* sum, bf16* out, int outBlocks,
                                      u32 pattern, i64 rows, i64 columns, const float* in2, int inBlocks2, float scale2, float* sum2,
                                      bf16* out2, int outBlocks2, u32 pattern2, i64 rows2, i64 columns2) {
  if (blockIdx.x < blocks)
    cut(Cut{in, inBlocks, scale, sum, out, outBlocks, pattern, rows, columns}, blockIdx.x);
  else
    cut(Cut{in2, inBlocks2, scale2, sum2, out2, outBlocks2, pattern2, rows2, columns2}, blockIdx.x - blocks);
}

#define ROWS 4

/// low = scale x A^T for x (n, d) and A (r, d). A thread block for each row of A and ROWS rows of x.
template <typename T>
__device__ __forceinline__ void down(const T* x, const float* a, float scale, float* low, int n, int d, int r) {
  __shared__ float ofWarp[ROWS][WARP];
  const int line = blockIdx.x, first = blockIdx.y * ROWS, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const bool aligned = d % 8 == 0 && isAligned(a, 16) && isAligned(x, 16);
  float sum[ROWS] = {};
  for (int i = threadIdx.x * 8; i < d; i += blockDim.x * 8) {
    float v[8];
    loadUpTo8(a + (i64)line * d + i, d - i, aligned, v);
#pragma unroll
    for (int j = 0; j < ROWS; j++) {
      if (first + j >= n) break;
      float u[8];
      loadUpTo8(x + (i64)(first + j) * d + i, d - i, aligned, u);
#pragma unroll
      for (int k = 0; k < 8; k++) sum[j] = fmaf(u[k], v[k], sum[j]);
    }
  }
#pragma unroll
  for (int j = 0; j < ROWS; j++) {
    const float total = sumOfLanes(sum[j]);
    if (lane == 0) ofWarp[j][warp] = total;
  }
  __syncthreads();
  if (warp != 0) return;
#pragma unroll
  for (int j = 0; j < ROWS; j++) {
    const float total = sumOfLanes(lane < (int)blockDim.x / WARP ? ofWarp[j][lane] : 0.0f);
    if (lane == 0 && first + j < n) low[(i64)(first + j) * r + line] = scale * total;
  }
}

/// y += low B^T for low (n, r) and B (o, r), rounded once. A thread for each row of B and ROWS rows of y.
template <typename T>
__device__ __forceinline__ void up(const float* low, const float* b, T* y, int n, int o, int r) {
  const int out = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * ROWS;
  if (out >= o) return;
  const bool aligned = r % 8 == 0 && isAligned(b, 16);
  float sum[ROWS] = {};
  for (int i = 0; i < r; i += 8) {
    float v[8];
    loadUpTo8(b + (i64)out * r + i, r - i, aligned, v);
#pragma unroll
    for (int j = 0; j < ROWS; j++) {
      if (first + j >= n) break;
      for (int k = 0; k < 8 && i + k < r; k++) sum[j] = fmaf(low[(i64)(first + j) * r + i + k], v[k], sum[j]);
    }
  }
#pragma unroll
  for (int j = 0; j < ROWS; j++) {
    if (first + j >= n) break;
    T* to = y + (i64)(first + j) * o + out;
    put(to, widen(*to) + sum[j]);
  }
}

#define KERNELS(T, END)                                                                                                      \
  extern "C" __global__ void lowRankDown##END(const T* x, const float* a, float scale, float* low, int n, int d, int r) {    \
    down(x, a, scale, low, n, d, r);                                                                                         \
  }                                                                                                                          \
  extern "C" __global__ void lowRankUp##END(const float* low, const float* b, T* y, int n, int o, int r) {                   \
    up(low, b, y, n, o, r);                                                                                                  \
  }

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
