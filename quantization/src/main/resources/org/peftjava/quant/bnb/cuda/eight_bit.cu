// Blockwise 8-bit numbers with a map of 256 values, and AdamW on a state of such numbers.
#include "blockwise.cuh"
#include "table.cuh"

/// The nearest codes of a lane's eight numbers, which are all the first if the block is all zero.
__device__ __forceinline__ u64 codesOf(const float* v, float absmax, const float* limits) {
  const float inverse = inverseOf(absmax);
  u64 result = 0;
#pragma unroll
  for (int k = 0; k < 8; k++)
    result |= (u64)limitsBelow<256>(absmax == 0.0f ? -1.0f : v[k] * inverse, limits) << (8 * k);
  return result;
}

__device__ __forceinline__ u64 loadCodes(const u8* p, i64 count) {
  if (count >= 8 && isAligned(p, 8)) return *(const u64*)p;
  u64 result = 0;
  for (int k = 0; k < 8 && k < count; k++) result |= (u64)p[k] << (8 * k);
  return result;
}

__device__ __forceinline__ void storeCodes(u8* p, i64 count, u64 codes) {
  if (count >= 8 && isAligned(p, 8)) {
    *(u64*)p = codes;
    return;
  }
  for (int k = 0; k < 8 && k < count; k++) p[k] = (u8)(codes >> (8 * k));
}

template <typename T>
__device__ __forceinline__ void quantize(const T* x, i64 n, int shift, const float* allLimits,
                                         u8* codes, float* absmax) {
  __shared__ float limits[256];
  copyTable(limits, allLimits, 256);
  __syncthreads();
  const Lane at = laneOf(shift);
  if (at.start >= n) return;  // the whole warp
  const bool aligned = isAligned(x, 16);
  float v[8];
  u32 largest = 0;
  for (int chunk = 0; chunk < at.chunks; chunk++) {
    i64 i = at.start + chunk * 256 + at.lane * 8;
    loadUpTo8(x + i, n - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++) largest = larger(largest, magnitudeBits(v[k]));
  }
  const float scale = __uint_as_float(largestOfLanes(largest, at.width));
  const i64 first = at.start + at.lane * 8;
  if (at.lane % at.width == 0 && first < n) absmax[first >> shift] = scale;
  for (int chunk = 0; chunk < at.chunks; chunk++) {
    i64 i = at.start + chunk * 256 + at.lane * 8;
    loadUpTo8(x + i, n - i, aligned, v);
    if (i < n) storeCodes(codes + i, n - i, codesOf(v, scale, limits));
  }
}

/// Eight numbers a thread.
template <typename T>
__device__ __forceinline__ void dequantize(const u8* codes, const float* absmax, const float* values,
                                           int shift, i64 n, T* out) {
  __shared__ float table[256];
  copyTable(table, values, 256);
  __syncthreads();
  const i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
  if (i >= n) return;
  const u64 eight = loadCodes(codes + i, n - i);
  const float scale = absmax[i >> shift];
  float v[8];
#pragma unroll
  for (int k = 0; k < 8; k++) v[k] = table[eight >> (8 * k) & 255] * scale;
  storeUpTo8(out + i, n - i, isAligned(out, 16), v);
}

struct AdamW {
  float beta1, rest1, beta2, rest2;  // rest: what is left to 1
  float rate;                        // -lr sqrt(1 - beta2^t) / (1 - beta1^t)
  float eps;                         // times sqrt(1 - beta2^t)
  float decay;                       // 1 - lr wd
};

/// One step of one number. A squared gradient that is not finite leaves it and clears its moments.
__device__ __forceinline__ void adamw(const AdamW& o, float& p, float g, float& mean, float& square) {
  if (magnitudeBits(g * g) >= 0x7f800000u) {
    mean = square = 0.0f;
    return;
  }
  mean = fmaf(g, o.rest1, mean * o.beta1);
  square = square * o.beta2 + o.rest2 * g * g;
  p = (p + o.rate * mean / (sqrtf(square) + o.eps)) * o.decay;
}

/// A warp for each block of 256 numbers: from codes and back in one pass.
template <typename T>
__device__ __forceinline__ void adamwCoded(T* p, const T* g, u8* state1, u8* state2, float* absmax1,
                                           float* absmax2, const float* values, const float* limits,
                                           const float* values2, const float* limits2, i64 n,
                                           const AdamW& o, i64 block) {
  __shared__ float valueOf[256], limit[256], valueOf2[256], limit2[256];
  copyTable(valueOf, values, 256);
  copyTable(limit, limits, 256);
  copyTable(valueOf2, values2, 256);
  copyTable(limit2, limits2, 256);
  __syncthreads();
  const Lane at = laneOf(8, block);
  if (at.start >= n) return;  // the whole warp
  const i64 i = at.start + at.lane * 8, left = n - i, scale = at.start >> 8;
  const bool aligned = isAligned(p, 16) && isAligned(g, 16);
  float weight[8], gradient[8], mean[8], square[8];
  loadUpTo8(p + i, left, aligned, weight);
  loadUpTo8(g + i, left, aligned, gradient);
  u64 codes1 = loadCodes(state1 + i, left), codes2 = loadCodes(state2 + i, left);
  const float scale1 = absmax1[scale], scale2 = absmax2[scale];
  u32 largest1 = 0, largest2 = 0;
#pragma unroll
  for (int k = 0; k < 8; k++) {
    mean[k] = k < left ? valueOf[codes1 >> (8 * k) & 255] * scale1 : 0.0f;
    square[k] = k < left ? valueOf2[codes2 >> (8 * k) & 255] * scale2 : 0.0f;
    adamw(o, weight[k], gradient[k], mean[k], square[k]);
    largest1 = larger(largest1, magnitudeBits(mean[k]));
    largest2 = larger(largest2, magnitudeBits(square[k]));
  }
  const float next1 = __uint_as_float(largestOfLanes(largest1, WARP));
  const float next2 = __uint_as_float(largestOfLanes(largest2, WARP));
  if (at.lane == 0) {  // all lanes have read them: they have met above
    absmax1[scale] = next1;
    absmax2[scale] = next2;
  }
  if (left <= 0) return;
  storeUpTo8(p + i, left, aligned, weight);
  codes1 = codesOf(mean, next1, limit);
#pragma unroll
  for (int k = 0; k < 8; k++)  // a negative mean keeps its sign
    if (mean[k] < 0.0f && (codes1 >> (8 * k) & 255) == 127) codes1 -= (u64)1 << (8 * k);
  storeCodes(state1 + i, left, codes1);
  storeCodes(state2 + i, left, codesOf(square, next2, limit2));
}

/// The same on a float32 state, for small parameters.
template <typename T>
__device__ __forceinline__ void adamwWide(T* p, const T* g, float* state1, float* state2, i64 n, const AdamW& o,
                                          i64 block) {
  for (int k = 0; k < 8; k++) {
    const i64 i = (block * 8 + k) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float weight = widen(p[i]);
    adamw(o, weight, widen(g[i]), state1[i], state2[i]);
    put(p + i, weight);
  }
}

/// The step of many parameters, 2048 numbers a thread block. An entry: block, p, g, both states, both
/// scales or 0, count, rate and eps.
template <typename T>
__device__ __forceinline__ void adamwAll(const Table& table, int entries, const float* values, const float* limits,
                                         const float* values2, const float* limits2, AdamW o) {
  const int at = entryOfBlock<9>(table, entries);
  const i64 block = blockIdx.x - table.numbers[at], n = table.numbers[at + 7];
  const u64 numbers = (u64)table.numbers[at + 8];
  T* p = (T*)table.numbers[at + 1];
  const T* g = (const T*)table.numbers[at + 2];
  const i64 state1 = table.numbers[at + 3], state2 = table.numbers[at + 4];
  float* absmax1 = (float*)table.numbers[at + 5];
  float* absmax2 = (float*)table.numbers[at + 6];
  o.rate = __uint_as_float((u32)numbers);
  o.eps = __uint_as_float((u32)(numbers >> 32));
  if (absmax1 == nullptr)
    adamwWide(p, g, (float*)state1, (float*)state2, n, o, block);
  else
    adamwCoded(p, g, (u8*)state1, (u8*)state2, absmax1, absmax2, values, limits, values2, limits2, n, o, block);
}

#define KERNELS(T, name)                                                                         \
  extern "C" __global__ void eightBitQuantize##name(const T* x, i64 n, int shift,                \
                                                    const float* limits, u8* codes,              \
                                                    float* absmax) {                             \
    quantize(x, n, shift, limits, codes, absmax);                                                \
  }                                                                                              \
  extern "C" __global__ void eightBitDequantize##name(const u8* codes, const float* absmax,      \
                                                      const float* values, int shift, i64 n,     \
                                                      T* out) {                                  \
    dequantize(codes, absmax, values, shift, n, out);                                            \
  }                                                                                              \
  extern "C" __global__ void adamw8bit##name(const __grid_constant__ Table table, int entries,     \
                                             const float* values, const float* limits,           \
                                             const float* values2, const float* limits2,         \
                                             float beta1, float rest1, float beta2, float rest2, \
                                             float decay) {                                      \
    adamwAll<T>(table, entries, values, limits, values2, limits2,                                \
                AdamW{beta1, rest1, beta2, rest2, 0.0f, 0.0f, decay});                           \
  }

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
