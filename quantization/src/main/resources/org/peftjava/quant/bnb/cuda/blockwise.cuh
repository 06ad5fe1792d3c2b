// Numbers in codes of 4 or 8 bits with a float32 scale for each block of 32 to 4096, which is a power
// of two and given by its logarithm, `shift`.
#pragma once

#include "element.cuh"

/// The scales of 4-bit codes: float32, or in 8-bit codes with scales of their own, less an offset.
struct Scales {
  const float* absmax;
  const u8* coded;
  const float* nested;
  const float* values;
  float offset;
};

/// Two roundings, as in separate passes over the scales.
__device__ __forceinline__ float scaleOf(const Scales& s, i64 block) {
  if (s.absmax != nullptr) return s.absmax[block];
  return s.values[s.coded[block]] * s.nested[block >> 8] + s.offset;
}

/// The code of number i of the eight in a word of 4-bit codes: of a byte's two the high one is first.
__device__ __forceinline__ u32 codeAt(u32 word, int i) { return (word >> (8 * (i / 2) + (i & 1 ? 0 : 4))) & 15u; }

/// How numbers become codes: `limits`, and for 4 bits the code for each count of limits below.
struct Rule {
  const float* limits;
  u64 codes;        // of four bits each, from the low end
  bool magnitudes;  // limits are for |x|; bit 3 of a code is the sign
  int zero;         // the code that fills up the last byte
};

/// The inverse of a block's scale; the least scale has a finite one.
__device__ __forceinline__ float inverseOf(float absmax) {
  return 1.0f / (absmax < 1e-38f ? 1e-38f : absmax);
}

/// Copies a table into shared memory; the caller waits for the others of its block.
__device__ __forceinline__ void copyTable(float* to, const float* from, int count) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) to[i] = from[i];
}

/// Where a lane's eight numbers are: a warp has 256 of them at a time, in one block or several.
struct Lane {
  i64 start;   // the warp's first number
  int chunks;  // steps of 256
  int width;   // lanes that share a block
  int lane;
};

__device__ __forceinline__ Lane laneOf(int shift, i64 block = blockIdx.x) {
  Lane result;
  int size = 1 << shift;
  i64 warp = (block * blockDim.x + threadIdx.x) / WARP;
  result.start = warp * (size > 256 ? size : 256);
  result.chunks = size > 256 ? size / 256 : 1;
  result.width = size < 256 ? size / 8 : WARP;
  result.lane = threadIdx.x % WARP;
  return result;
}
