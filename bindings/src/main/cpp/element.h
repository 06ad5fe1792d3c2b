// Element types of the kernels: float and bfloat16, with what every level needs of them.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define PEFTJAVA_UNROLL_8 _Pragma("unroll")
#elif defined(__GNUC__)
#define PEFTJAVA_UNROLL_8 _Pragma("GCC unroll 8")
#else
#define PEFTJAVA_UNROLL_8
#endif

namespace peftjava {

/// The upper half of an IEEE binary32: 1 sign, 8 exponent, 7 fraction bits.
struct bf16 {
  uint16_t bits;
};

/// Type codes shared with ElementType.java.
enum ElementType { kFloat32 = 0, kBFloat16 = 1 };

inline float toFloat(float value) { return value; }

inline float toFloat(bf16 value) {
  uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/// Round to nearest, ties to even; every NaN becomes the quiet NaN 0x7fc0, as in libtorch.
inline bf16 toBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fc0};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

/// Asks for a cache line; any address will do.
inline void prefetch(const char* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address, 0, 2);
#else
  (void)address;
#endif
}

inline void put(float* target, float value) { *target = value; }
inline void put(bf16* target, float value) { *target = toBfloat16(value); }

}  // namespace peftjava
