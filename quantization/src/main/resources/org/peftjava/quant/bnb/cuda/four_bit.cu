// 4-bit numbers (NF4, FP4): dense from codes in one launch, codes from dense, and products of a few
// rows straight from the codes. All in float32, rounded once.
#include "blockwise.cuh"

/// Each thread takes words of eight codes that are as far apart as the block has threads: loads and
/// 16-byte stores of neighbouring threads touch, and two loads are under way at once.
template <typename T>
__device__ __forceinline__ void dequantize(const u8* packed, const Scales& scales, const float* values,
                                           int shift, i64 n, T* out) {
  __shared__ float table[16];  // 16 banks: no two codes are in one another's way
  copyTable(table, values, 16);
  __syncthreads();
  const bool aligned = isAligned(packed, 4) && isAligned(out, 16);
  const i64 words = aligned ? n / 8 : 0;
  const i64 first = (i64)blockIdx.x * blockDim.x * 2 + threadIdx.x;
  u32 codes[2];
  float scale[2];
#pragma unroll
  for (int j = 0; j < 2; j++) {
    i64 word = first + j * blockDim.x;
    if (word < words) {
      codes[j] = ((const u32*)packed)[word];
      scale[j] = scaleOf(scales, (word * 8) >> shift);
    }
  }
#pragma unroll
  for (int j = 0; j < 2; j++) {
    i64 word = first + j * blockDim.x;
    if (word < words) {
      float v[8];
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] = table[codeAt(codes[j], i)] * scale[j];
      store8(out + word * 8, v);
    }
  }
  // What is left, or all where memory is not aligned.
  for (i64 i = words * 8 + (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += (i64)gridDim.x * blockDim.x)
    put(out + i, table[packed[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15] * scaleOf(scales, i >> shift));
}

/// A warp for 256 numbers, or for a block that is larger; eight numbers a lane.
template <typename T>
__device__ __forceinline__ void quantize(const T* x, i64 n, int shift, const Rule& rule, u8* packed,
                                         float* absmax) {
  __shared__ float limits[16];
  copyTable(limits, rule.limits, 16);
  __syncthreads();
  const Lane at = laneOf(shift);
  if (at.start >= n) return;  // the whole warp
  const bool aligned = isAligned(x, 16) && isAligned(packed, 4);
  float v[8];
  u32 largest = 0;
  for (int chunk = 0; chunk < at.chunks; chunk++) {
    i64 i = at.start + chunk * 256 + at.lane * 8;
    loadUpTo8(x + i, n - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++) largest = larger(largest, magnitudeBits(v[k]));
  }
  const float scale = __uint_as_float(largestOfLanes(largest, at.width));
  const float inverse = inverseOf(scale);
  const i64 first = at.start + at.lane * 8;
  if (at.lane % at.width == 0 && first < n) absmax[first >> shift] = scale;
  for (int chunk = 0; chunk < at.chunks; chunk++) {
    i64 i = at.start + chunk * 256 + at.lane * 8;
    loadUpTo8(x + i, n - i, aligned, v);
    u32 word = 0;
#pragma unroll
    for (int k = 0; k < 8; k++) {
      float scaled = v[k] * inverse;
      int below = limitsBelow<16>(rule.magnitudes ? fabsf(scaled) : scaled, limits);
      u32 code = (u32)(rule.codes >> (4 * below)) & 15u;
      if (rule.magnitudes && scaled < 0.0f) code |= 8u;
      if (i + k >= n) code = rule.zero;
      word |= code << (8 * (k / 2) + (k & 1 ? 0 : 4));
    }
    if (aligned && i + 8 <= n) {
      ((u32*)packed)[i / 8] = word;
    } else {
      for (int k = 0; k < 8 && i + k < n; k += 2) packed[(i + k) / 2] = (u8)(word >> (4 * k));
    }
  }
}

/// part[m] += sum of eight values of w times eight of each row of x.
template <int M, typename T>
__device__ __forceinline__ void addWord(u32 word, const float* table, const T* x, i64 stride, int m,
                                        float* part) {
  float w[8];
#pragma unroll
  for (int i = 0; i < 8; i++) w[i] = table[codeAt(word, i)];
#pragma unroll
  for (int row = 0; row < M; row++) {
    float v[8];
    load8(x + (row < m ? row : m - 1) * stride, v);
#pragma unroll
    for (int i = 0; i < 8; i++) part[row] = fmaf(w[i], v[i], part[row]);
  }
}

/// y[m, n] = sum_k x[m, k] w[n, k] + bias[n] for up to M rows of x; a warp for each n. Columns are a
/// multiple of 8, so that a word of codes is in one row and one block.
template <int M, typename T>
__device__ __forceinline__ void multiply(const u8* packed, const Scales& scales, const float* values,
                                         int shift, i64 rows, i64 columns, const T* x, const T* bias,
                                         T* y, int m) {
  __shared__ float table[16];
  copyTable(table, values, 16);
  __syncthreads();
  const i64 n = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
  const int lane = threadIdx.x % WARP;
  if (n >= rows) return;  // the whole warp
  const i64 first = n * columns;
  const u8* row = packed + first / 2;
  float sum[M];
#pragma unroll
  for (int i = 0; i < M; i++) sum[i] = 0.0f;
  // Four words at once have one scale where they are in one block, of 32 numbers at least.
  const i64 quads = columns % 32 == 0 && isAligned(packed, 16) ? columns / 32 : 0;
  for (i64 quad = lane; quad < quads; quad += WARP) {
    const uint4 words = ((const uint4*)row)[quad];
    const float scale = scaleOf(scales, (first + quad * 32) >> shift);
    const T* at = x + quad * 32;
    float part[M];
#pragma unroll
    for (int i = 0; i < M; i++) part[i] = 0.0f;
    addWord<M>(words.x, table, at, columns, m, part);
    addWord<M>(words.y, table, at + 8, columns, m, part);
    addWord<M>(words.z, table, at + 16, columns, m, part);
    addWord<M>(words.w, table, at + 24, columns, m, part);
#pragma unroll
    for (int i = 0; i < M; i++) sum[i] = fmaf(part[i], scale, sum[i]);
  }
  for (i64 word = quads * 4 + lane; word < columns / 8; word += WARP) {
    float part[M];
#pragma unroll
    for (int i = 0; i < M; i++) part[i] = 0.0f;
    addWord<M>(((const u32*)row)[word], table, x + word * 8, columns, m, part);
    const float scale = scaleOf(scales, (first + word * 8) >> shift);
#pragma unroll
    for (int i = 0; i < M; i++) sum[i] = fmaf(part[i], scale, sum[i]);
  }
#pragma unroll
  for (int i = 0; i < M; i++) {
    float total = sumOfLanes(sum[i]);
    if (lane == 0 && i < m)
      put(y + i * rows + n, bias == nullptr ? total : total + widen(bias[n]));
  }
}

#define SCALES                                                                                   \
  const float *absmax, const u8 *coded, const float *nested, const float *nestedValues, float offset

#define MULTIPLY(T, name, M)                                                                       \
  extern "C" __global__ void fourBitProduct##M##name(                                              \
      const u8* packed, SCALES, const float* values, int shift, i64 rows, i64 columns, const T* x, \
      const T* bias, T* y, int m) {                                                                \
    multiply<M>(packed, Scales{absmax, coded, nested, nestedValues, offset}, values, shift, rows,  \
                columns, x, bias, y, m);                                                           \
  }

#define KERNELS(T, name)                                                                           \
  extern "C" __global__ void fourBitDequantize##name(const u8* packed, SCALES, const float* values, \
                                                     int shift, i64 n, T* out) {                   \
    dequantize(packed, Scales{absmax, coded, nested, nestedValues, offset}, values, shift, n, out); \
  }                                                                                                \
  extern "C" __global__ void fourBitQuantize##name(const T* x, i64 n, int shift,                   \
                                                   const float* limits, u64 codes,                 \
                                                   int magnitudes, int zero, u8* packed,           \
                                                   float* absmax) {                                \
    quantize(x, n, shift, Rule{limits, codes, magnitudes != 0, zero}, packed, absmax);             \
  }                                                                                                \
  MULTIPLY(T, name, 1)                                                                             \
  MULTIPLY(T, name, 2)                                                                             \
  MULTIPLY(T, name, 4)                                                                             \
  MULTIPLY(T, name, 8)

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
