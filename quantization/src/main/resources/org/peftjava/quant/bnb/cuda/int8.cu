// LLM.int8(): row-wise codes of activations with outliers found on the device, exact integer sums,
// what turns sums into numbers, and weights made dense.
#include "int8.cuh"

/// absmax[row] = max |x| of what is below the threshold; marks[column] = 1 where something is not.
/// A thread block for each row.
template <typename T>
__device__ __forceinline__ void scan(const T* x, i64 columns, float threshold, float* absmax, u8* marks) {
  __shared__ u32 ofWarp[WARP];
  const T* row = x + (i64)blockIdx.x * columns;
  const bool aligned = columns % 8 == 0 && isAligned(x, 16);
  u32 largest = 0;
  for (i64 i = threadIdx.x * 8; i < columns; i += blockDim.x * 8) {
    float v[8];
    loadUpTo8(row + i, columns - i, aligned, v);
    const u32 outliers = scanUpTo8(v, threshold, largest);
    for (int k = 0; outliers >> k != 0; k++)
      if (outliers >> k & 1) marks[i + k] = 1;
  }
  largest = largestOfLanes(largest, WARP);
  if (threadIdx.x % WARP == 0) ofWarp[threadIdx.x / WARP] = largest;
  __syncthreads();
  if (threadIdx.x < WARP) {
    largest = largestOfLanes(threadIdx.x < blockDim.x / WARP ? ofWarp[threadIdx.x] : 0, WARP);
    if (threadIdx.x == 0) absmax[blockIdx.x] = __uint_as_float(largest);
  }
}

/// Codes, a thread block for each row; one more block lists the marked columns if there is a list.
template <typename T>
__device__ __forceinline__ void encode(const T* x, i64 rows, i64 columns, const float* absmax, const u8* marks,
                                       i8* codes, int* list, int* count) {
  const Bytes marked{marks, columns};
  if (blockIdx.x == rows) {
    collect(marked, columns, list, count);
    return;
  }
  const T* row = x + (i64)blockIdx.x * columns;
  i8* out = codes + (i64)blockIdx.x * columns;
  const bool aligned = columns % 8 == 0 && isAligned(x, 16) && isAligned(codes, 8);
  const float inverse = inverseOfScale(absmax[blockIdx.x]);
  for (i64 i = threadIdx.x * 8; i < columns; i += blockDim.x * 8) {
    float v[8];
    loadUpTo8(row + i, columns - i, aligned, v);
    encodeUpTo8(v, inverse, marked(i), out + i, columns - i, aligned);
  }
}

/// sums[m, n] = sum_k x[m, k] w[n, k]; a warp for each n, eight rows of x for each y of the grid.
__device__ __forceinline__ void multiply(const i8* x, const i8* w, i64 m, i64 n, i64 k, int* sums) {
  const i64 row = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
  const int lane = threadIdx.x % WARP;
  if (row >= n) return;  // the whole warp
  const i64 first = (i64)blockIdx.y * 8;
  const i8* a = w + row * k;
  const i8* b = x + first * k;
  const int rows = (int)(m - first < 8 ? m - first : 8);
  int sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  const i64 wide = k % 16 == 0 && isAligned(x, 16) && isAligned(w, 16) ? k / 16 : 0;
  for (i64 i = lane; i < wide; i += WARP) {
    const int4 p = ((const int4*)a)[i];
#pragma unroll
    for (int r = 0; r < 8; r++)
      if (r < rows) sum[r] = addProducts(p, ((const int4*)(b + r * k))[i], sum[r]);
  }
  for (i64 i = wide * 16 + lane; i < k; i += WARP) {
#pragma unroll
    for (int r = 0; r < 8; r++)
      if (r < rows) sum[r] += (int)a[i] * (int)b[r * k + i];
  }
#pragma unroll
  for (int r = 0; r < 8; r++) {
    int total = sumOfLanes(sum[r]);
    if (lane == 0 && r < rows) sums[(first + r) * n + row] = total;
  }
}

#define TILE 32

/// y = sums xAbsmax wAbsmax / 127^2 + bias + the product of the outliers' columns, which is never
/// counted by the host. Tiles of 32 x 32 numbers, four a thread.
template <typename T>
__device__ __forceinline__ void finish(const int* sums, const float* xAbsmax, const float* wAbsmax,
                                       const Bias& bias, const T* x, const i8* w, const int* list,
                                       const int* count, i64 m, i64 n, i64 k, T* y) {
  __shared__ float left[TILE][TILE + 1], right[TILE][TILE + 1];
  const int column = threadIdx.x % TILE, line = threadIdx.x / TILE;
  const i64 out = (i64)blockIdx.x * TILE + column, top = (i64)blockIdx.y * TILE;
  const int outliers = count == nullptr ? 0 : *count;
  float extra[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int start = 0; start < outliers; start += TILE) {
    // Here `column` is the place in the list.
    const bool some = start + column < outliers;
    const int from = some ? list[start + column] : 0;
    for (int r = line; r < TILE; r += 8) {
      const i64 xRow = top + r, wRow = (i64)blockIdx.x * TILE + r;
      left[r][column] = some && xRow < m ? widen(x[xRow * k + from]) : 0.0f;
      right[r][column] =
          some && wRow < n ? denseWeight(w[wRow * k + from], wAbsmax[wRow]) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 4; j++)
      for (int c = 0; c < TILE; c++)
        extra[j] = fmaf(left[line + 8 * j][c], right[column][c], extra[j]);
    __syncthreads();
  }
  if (out >= n) return;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    const i64 row = top + line + 8 * j;
    if (row >= m) continue;
    put(y + row * n + out, numberOf(sums[row * n + out], xAbsmax[row], wAbsmax[out], bias, out) + extra[j]);
  }
}

/// code absmax / 127. `parts` thread blocks for each row, eight numbers a thread.
template <typename T>
__device__ __forceinline__ void dequantize(const i8* codes, const float* absmax, i64 columns, int parts,
                                           T* out) {
  const i64 row = blockIdx.x / parts;
  const i64 i = ((i64)(blockIdx.x % parts) * blockDim.x + threadIdx.x) * 8;
  if (i >= columns) return;
  const float scale = absmax[row];
  const i8* from = codes + row * columns + i;
  const i64 left = columns - i;
  float v[8];
  if (left >= 8 && isAligned(from, 8)) {
    const u64 word = *(const u64*)from;
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] = (float)(i8)(word >> (8 * k)) * scale * INVERSE;
  } else {
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] = k < left ? (float)from[k] * scale * INVERSE : 0.0f;
  }
  T* to = out + row * columns + i;
  storeUpTo8(to, left, isAligned(to, 16), v);
}

extern "C" __global__ void int8Clear(u8* marks, i64 columns) {
  const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < columns) marks[i] = 0;
}

extern "C" __global__ void int8Product(const i8* x, const i8* w, i64 m, i64 n, i64 k, int* sums) {
  multiply(x, w, m, n, k, sums);
}

#define KERNELS(T, name)                                                                               \
  extern "C" __global__ void int8Scan##name(const T* x, i64 columns, float threshold,                  \
                                            float* absmax, u8* marks) {                                \
    scan(x, columns, threshold, absmax, marks);                                                        \
  }                                                                                                    \
  extern "C" __global__ void int8Encode##name(const T* x, i64 rows, i64 columns, const float* absmax,  \
                                              const u8* marks, i8* codes, int* list, int* count) {     \
    encode(x, rows, columns, absmax, marks, codes, list, count);                                       \
  }                                                                                                    \
  extern "C" __global__ void int8Finish##name(                                                         \
      const int* sums, const float* xAbsmax, const float* wAbsmax, const void* bias, int biasType,     \
      const T* x, const i8* w, const int* list, const int* count, i64 m, i64 n, i64 k, T* y) {         \
    finish(sums, xAbsmax, wAbsmax, Bias{bias, biasType}, x, w, list, count, m, n, k, y);               \
  }                                                                                                    \
  extern "C" __global__ void int8Dequantize##name(const i8* codes, const float* absmax,                \
                                                  i64 columns, int parts, T* out) {                    \
    dequantize(codes, absmax, columns, parts, out);                                                    \
  }

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
