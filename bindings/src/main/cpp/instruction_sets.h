// The kernels compiled once per instruction set, and the choice among them at run time.
//
// GCC and Clang on x86-64 compile a whole region for a target, so one library carries all levels and
// runs on any processor of the family. Other compilers and architectures get the portable level.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "element.h"
#include "kernel_table.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define PEFTJAVA_X86_LEVELS 1
#include <immintrin.h>
#else
#define PEFTJAVA_X86_LEVELS 0
#endif

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own AVX-512 headers start some intrinsics from a value left undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace peftjava {
namespace portable {
#include "simd_portable.inl"

#include "all_kernels.inl"
}  // namespace portable

#if PEFTJAVA_X86_LEVELS

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
#include "simd_avx2.inl"

#include "all_kernels.inl"
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
namespace avx512 {
#include "simd_avx512.inl"

#include "all_kernels.inl"
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // PEFTJAVA_X86_LEVELS

/// Level codes shared with KernelIsa.java.
enum Level { kScalar = 0, kAvx2 = 1, kAvx512 = 2 };

/// The highest level this processor and this build have.
inline int highestLevel() {
#if PEFTJAVA_X86_LEVELS
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? kAvx512 : avx2 ? kAvx2 : kScalar;
#else
  return kScalar;
#endif
}

inline const KernelTable& tableOf(int level) {
  static const KernelTable scalarTable = portable::makeTable("scalar");
#if PEFTJAVA_X86_LEVELS
  static const KernelTable avx2Table = avx2::makeTable("avx2");
  static const KernelTable avx512Table = avx512::makeTable("avx512");
  if (level == kAvx512) return avx512Table;
  if (level == kAvx2) return avx2Table;
#else
  (void)level;
#endif
  return scalarTable;
}

}  // namespace peftjava
