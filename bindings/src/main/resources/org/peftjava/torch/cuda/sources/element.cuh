// What the kernels share: element types, wide loads and stores, maxima over lanes.
//
// No CUDA header is included, since those do not travel with NVRTC. The same files are compiled as
// C++ for the tests, over a header that stands in for CUDA. Contraction of products and sums is off:
// where one is wanted, fmaf says so.
#pragma once

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define FULL_WARP 0xffffffffu
#define WARP 32

struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

#ifndef PEFTJAVA_EMULATION
__device__ __forceinline__ float halfToFloat(u16 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ __forceinline__ u16 floatToHalf(float value) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

/// Two numbers as float16, the first in the low bits.
__device__ __forceinline__ u32 twoHalves(float low, float high) {
#if __CUDA_ARCH__ >= 800
  u32 pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return floatToHalf(low) | (u32)floatToHalf(high) << 16;
#endif
}
#endif

/// Rounds to the nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ u16 floatToBrain(float value) {
  u32 bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// Two numbers as bfloat16, the first in the low bits.
__device__ __forceinline__ u32 twoBrains(float low, float high) {
#if !defined(PEFTJAVA_EMULATION) && __CUDA_ARCH__ >= 800
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return floatToBrain(low) | (u32)floatToBrain(high) << 16;
#endif
}

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(f16 x) { return halfToFloat(x.bits); }
__device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

__device__ __forceinline__ void put(float* p, float v) { *p = v; }
__device__ __forceinline__ void put(f16* p, float v) { p->bits = floatToHalf(v); }
__device__ __forceinline__ void put(bf16* p, float v) { p->bits = floatToBrain(v); }

/// The number that is stored.
template <typename T>
__device__ __forceinline__ float rounded(float v) {
  T stored;
  put(&stored, v);
  return widen(stored);
}

__device__ __forceinline__ bool isAligned(const void* p, int bytes) {
  return ((u64)p & (u64)(bytes - 1)) == 0;
}

/// Eight neighbours from an address that is a multiple of 16.
__device__ __forceinline__ void load8(const float* p, float* v) {
  const float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
  v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

template <typename T>
__device__ __forceinline__ void load8(const T* p, float* v) {
  const uint4 a = *(const uint4*)p;
  const u32 words[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    v[2 * i] = widen(T{(u16)words[i]});
    v[2 * i + 1] = widen(T{(u16)(words[i] >> 16)});
  }
}

/// Eight neighbours to an address that is a multiple of 16.
__device__ __forceinline__ void store8(float* p, const float* v) {
  ((float4*)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
  ((float4*)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}

__device__ __forceinline__ void store8(f16* p, const float* v) {
  *(uint4*)p = make_uint4(twoHalves(v[0], v[1]), twoHalves(v[2], v[3]), twoHalves(v[4], v[5]),
                          twoHalves(v[6], v[7]));
}

__device__ __forceinline__ void store8(bf16* p, const float* v) {
  *(uint4*)p = make_uint4(twoBrains(v[0], v[1]), twoBrains(v[2], v[3]), twoBrains(v[4], v[5]),
                          twoBrains(v[6], v[7]));
}

/// Up to eight neighbours; 0 in place of those that are missing.
template <typename T>
__device__ __forceinline__ void loadUpTo8(const T* p, i64 count, bool aligned, float* v) {
  if (aligned && count >= 8) {
    load8(p, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] = i < count ? widen(p[i]) : 0.0f;
}

template <typename T>
__device__ __forceinline__ void storeUpTo8(T* p, i64 count, bool aligned, const float* v) {
  if (aligned && count >= 8) {
    store8(p, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++)
    if (i < count) put(p + i, v[i]);
}

/// |x| as bits: they ascend with it, and those of infinity and NaN are above all others.
__device__ __forceinline__ u32 magnitudeBits(float x) { return __float_as_uint(x) & 0x7fffffffu; }

__device__ __forceinline__ u32 larger(u32 a, u32 b) { return a > b ? a : b; }

/// The largest value of each run of `width` lanes, a power of two, in all of them.
__device__ __forceinline__ u32 largestOfLanes(u32 value, int width) {
  for (int step = width / 2; step > 0; step /= 2)
    value = larger(value, __shfl_xor_sync(FULL_WARP, value, step));
  return value;
}

__device__ __forceinline__ float sumOfLanes(float value) {
#pragma unroll
  for (int step = WARP / 2; step > 0; step /= 2)
    value += __shfl_xor_sync(FULL_WARP, value, step);
  return value;
}

__device__ __forceinline__ int sumOfLanes(int value) {
#if !defined(PEFTJAVA_EMULATION) && __CUDA_ARCH__ >= 800
  return __reduce_add_sync(FULL_WARP, value);
#else
#pragma unroll
  for (int step = WARP / 2; step > 0; step /= 2)
    value += __shfl_xor_sync(FULL_WARP, value, step);
  return value;
#endif
}

/// How many of N ascending limits are below x, where the last is infinite. N is a power of two.
template <int N>
__device__ __forceinline__ int limitsBelow(float x, const float* limits) {
  int count = 0;
#pragma unroll
  for (int step = N / 2; step > 0; step /= 2) count += x > limits[count + step - 1] ? step : 0;
  return count;
}
