// LLM.int8() for few rows, in two launches: codes and outliers of x in one block, then sums that are
// finished where they arise.
#include "int8.cuh"

#define MOST_COLUMNS 133144  // whose products of codes an int holds

/// All of that for at most 32 rows, in one block of 1024 threads: as many warps for each row.
template <typename T>
__device__ __forceinline__ void prepare(const T* x, int rows, int columns, float threshold, i8* codes, float* absmax,
                                        int* list, int* count) {
  __shared__ u32 marks[MOST_COLUMNS / 32 + 1];
  __shared__ u32 ofWarp[WARP];
  for (int i = threadIdx.x; i <= columns / 32; i += blockDim.x) marks[i] = 0;
  __syncthreads();
  int warps = WARP;
  while (warps * rows > WARP) warps /= 2;
  const int warp = threadIdx.x / WARP, row = warp / warps, stride = warps * WARP * 8;
  const int first = row < rows ? (threadIdx.x % (warps * WARP)) * 8 : columns;
  const T* from = x + (i64)row * columns;
  i8* to = codes + (i64)row * columns;
  const bool aligned = columns % 8 == 0 && isAligned(x, 16);
  u32 largest = 0;
  for (int i = first; i < columns; i += 4 * stride) {
    float v[4][8];  // four loads in flight
#pragma unroll
    for (int j = 0; j < 4; j++) loadUpTo8(from + i + j * stride, columns - i - j * stride, aligned, v[j]);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int at = i + j * stride;
      const u32 outliers = scanUpTo8(v[j], threshold, largest);
      if (outliers != 0) atomicOr(&marks[at / 32], outliers << at % 32);
    }
  }
  largest = largestOfLanes(largest, WARP);
  if (threadIdx.x % WARP == 0) ofWarp[warp] = largest;
  __syncthreads();
  largest = 0;
  for (int w = 0; w < warps; w++) largest = larger(largest, ofWarp[row * warps + w]);
  const float scale = __uint_as_float(largest);
  if (first == 0) absmax[row] = scale;
  const Bits marked{marks};
  if (list != nullptr) collect(marked, columns, list, count);
  const float inverse = inverseOfScale(scale);
  for (int i = first; i < columns; i += stride) {
    float v[8];
    loadUpTo8(from + i, columns - i, aligned, v);
    encodeUpTo8(v, inverse, marked(i), to + i, columns - i, aligned);
  }
}

#define WARPS 8

/// The same from codes, for few rows: a warp for each R rows of w, M rows of x for each block, of which
/// those for the same rows of w are neighbours. There is memory for a multiple of M rows of codes.
template <typename T, int M, int R, int FLIGHT>
__device__ __forceinline__ void multiplyFew(const i8* codes, const float* xAbsmax, const i8* w, const float* wAbsmax,
                                            const Bias& bias, const T* x, const int* list, const int* count, int m,
                                            int n, int k, T* y) {
  __shared__ float left[WARPS][M][WARP + 1], right[WARPS][R][WARP + 1];
  const int groups = (m + M - 1) / M, warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int first = blockIdx.x % groups * M, out = (blockIdx.x / groups * WARPS + warp) * R;
  if (out >= n) return;  // the whole warp
  const i8* a[R];
#pragma unroll
  for (int r = 0; r < R; r++) a[r] = w + (i64)(out + r < n ? out + r : out) * k;
  const i8* b = codes + (i64)first * k;
  int sum[R][M] = {};
  const int wide = k % 16 == 0 && isAligned(codes, 16) && isAligned(w, 16) ? k / 16 : 0;
  for (int i = lane; i < wide; i += FLIGHT * WARP) {
    int4 p[FLIGHT][R];
#pragma unroll
    for (int f = 0; f < FLIGHT; f++)
#pragma unroll
      for (int r = 0; r < R; r++)
        p[f][r] = i + f * WARP < wide ? ((const int4*)a[r])[i + f * WARP] : int4{0, 0, 0, 0};
#pragma unroll
    for (int f = 0; f < FLIGHT; f++) {
      const int at = i + f * WARP < wide ? i + f * WARP : i;
#pragma unroll
      for (int j = 0; j < M; j++) {
        const int4 q = ((const int4*)(b + j * k))[at];
#pragma unroll
        for (int r = 0; r < R; r++) sum[r][j] = addProducts(p[f][r], q, sum[r][j]);
      }
    }
  }
  for (int i = wide * 16 + lane; i < k; i += WARP) {
#pragma unroll
    for (int j = 0; j < M; j++)
#pragma unroll
      for (int r = 0; r < R; r++) sum[r][j] += (int)a[r][i] * (int)b[j * k + i];
  }
  int own = 0;  // a lane's number is of row mine / M of w and mine % M of x
#pragma unroll
  for (int r = 0; r < R; r++) {
#pragma unroll
    for (int j = 0; j < M; j++) {
      const int total = sumOfLanes(sum[r][j]);
      if (lane == r * M + j) own = total;
    }
  }
  const int r = lane / M % R, j = lane % M;
  const int outliers = count == nullptr ? 0 : *count;
  float extra = 0.0f;
  for (int start = 0; start < outliers; start += WARP) {
    const bool some = start + lane < outliers;
    const int from = some ? list[start + lane] : 0;
#pragma unroll
    for (int c = 0; c < M; c++)
      left[warp][c][lane] = some && first + c < m ? widen(x[(i64)(first + c) * k + from]) : 0.0f;
#pragma unroll
    for (int c = 0; c < R; c++)
      right[warp][c][lane] = some && out + c < n ? denseWeight(a[c][from], wAbsmax[out + c]) : 0.0f;
    __syncwarp();
    for (int c = 0; c < WARP; c++) extra = fmaf(left[warp][j][c], right[warp][r][c], extra);
    __syncwarp();
  }
  if (lane < R * M && out + r < n && first + j < m)
    put(y + (i64)(first + j) * n + out + r, numberOf(own, xAbsmax[first + j], wAbsmax[out + r], bias, out + r) + extra);
}

#define FEW(T, name, M, R, FLIGHT)                                                                     \
  extern "C" __global__ void __launch_bounds__(256) int8Few##M##name(                                  \
      const i8* codes, const float* xAbsmax, const i8* w, const float* wAbsmax, const void* bias,      \
      int biasType, const T* x, const int* list, const int* count, int m, int n, int k, T* y) {        \
    multiplyFew<T, M, R, FLIGHT>(codes, xAbsmax, w, wAbsmax, Bias{bias, biasType}, x, list, count, m,  \
                                 n, k, y);                                                             \
  }

#define KERNELS(T, name)                                                                               \
  extern "C" __global__ void __launch_bounds__(1024) int8Prepare##name(                                \
      const T* x, int rows, int columns, float threshold, i8* codes, float* absmax, int* list,         \
      int* count) {                                                                                    \
    prepare(x, rows, columns, threshold, codes, absmax, list, count);                                  \
  }                                                                                                    \
  FEW(T, name, 1, 1, 4)                                                                                \
  FEW(T, name, 2, 1, 4)                                                                                \
  FEW(T, name, 4, 2, 2)                                                                                \
  FEW(T, name, 8, 2, 2)

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
