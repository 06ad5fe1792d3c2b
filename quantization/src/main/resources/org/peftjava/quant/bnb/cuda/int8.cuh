// What the kernels of LLM.int8() for few rows and for many share.
#pragma once

#include "element.cuh"

#define INVERSE 7.874015718698502e-3f            // 1 / 127
#define INVERSE_SQUARED 6.200012400024800e-05f   // 1 / 127^2

/// A value as float16 has it, or as it is beyond its range.
__device__ __forceinline__ float asHalf(float x) {
  return magnitudeBits(x) < 0x477ff000u ? halfToFloat(floatToHalf(x)) : x;  // 65520
}

/// What is below the threshold counts for a row's scale; a bit for each of the eight that is not.
/// Threshold 0: all of it counts, no bits.
__device__ __forceinline__ u32 scanUpTo8(const float* v, float threshold, u32& largest) {
  u32 outliers = 0;
#pragma unroll
  for (int k = 0; k < 8; k++) {
    const float size = fabsf(asHalf(v[k]));
    if (threshold == 0.0f || size < threshold)
      largest = larger(largest, magnitudeBits(size));
    else
      outliers |= 1u << k;
  }
  return outliers;
}

/// Marks of a byte each, as bits for eight columns from one on.
struct Bytes {
  const u8* marks;
  i64 columns;
  __device__ __forceinline__ u32 operator()(i64 column) const {
    u32 bits = 0;
    for (int k = 0; marks != nullptr && k < 8 && column + k < columns; k++) bits |= (u32)(marks[column + k] != 0) << k;
    return bits;
  }
};

/// Marks of a bit each.
struct Bits {
  const u32* marks;
  __device__ __forceinline__ u32 operator()(i64 column) const { return marks[column / 32] >> column % 32 & 255u; }
};

__device__ __forceinline__ float inverseOfScale(float absmax) { return absmax == 0.0f ? 0.0f : 1.0f / absmax * 127.0f; }

/// code = round(x 127 / absmax), halves to even; 0 where there is a bit.
__device__ __forceinline__ void encodeUpTo8(const float* v, float inverse, u32 outliers, i8* out, i64 count, bool aligned) {
  u64 word = 0;
#pragma unroll
  for (int k = 0; k < 8; k++) {
    const int code = outliers >> k & 1 ? 0 : __float2int_rn(asHalf(v[k]) * inverse);
    word |= (u64)(u8)code << (8 * k);
  }
  if (aligned) {
    *(u64*)out = word;
  } else {
    for (int k = 0; k < 8 && k < count; k++) out[k] = (i8)(word >> (8 * k));
  }
}

/// The marked columns in ascending order, and how many. All threads of a block.
template <typename Marks>
__device__ __forceinline__ void collect(const Marks& marks, i64 columns, int* list, int* count) {
  __shared__ int ofWarp[WARP];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  int before = 0;
  for (i64 start = 0; start < columns; start += (i64)blockDim.x * 8) {
    const i64 i = start + threadIdx.x * 8;
    const u32 marked = i < columns ? marks(i) : 0;
    const int own = __popc(marked);
    int sum = own;
    for (int step = 1; step < WARP; step *= 2) {
      int other = __shfl_up_sync(FULL_WARP, sum, step);
      if (lane >= step) sum += other;
    }
    if (lane == WARP - 1) ofWarp[warp] = sum;
    __syncthreads();
    int place = before + sum - own, all = 0;
    for (int w = 0; w < (int)blockDim.x / WARP; w++) {
      if (w < warp) place += ofWarp[w];
      all += ofWarp[w];
    }
    for (int k = 0; marked >> k != 0; k++)
      if (marked >> k & 1) list[place++] = (int)(i + k);
    before += all;
    __syncthreads();  // before the next totals
  }
  if (threadIdx.x == 0) *count = before;
}

/// The sum and the products of sixteen codes each.
__device__ __forceinline__ int addProducts(int4 a, int4 b, int sum) {
  sum = __dp4a(a.x, b.x, sum);
  sum = __dp4a(a.y, b.y, sum);
  sum = __dp4a(a.z, b.z, sum);
  return __dp4a(a.w, b.w, sum);
}

/// A bias in its own type, or nothing.
struct Bias {
  const void* values;
  int type;  // 0 float32, 1 float16, 2 bfloat16
};

/// A sum of products of codes as a number, with the bias.
__device__ __forceinline__ float numberOf(int sum, float xAbsmax, float wAbsmax, const Bias& bias, i64 out) {
  const float value = (float)sum * (xAbsmax * wAbsmax) * INVERSE_SQUARED;
  if (bias.values == nullptr) return value;
  return value + (bias.type == 0   ? ((const float*)bias.values)[out]
                  : bias.type == 1 ? widen(((const f16*)bias.values)[out])
                                   : widen(((const bf16*)bias.values)[out]));
}

__device__ __forceinline__ float denseWeight(i8 code, float absmax) { return (float)code * absmax * INVERSE; }
