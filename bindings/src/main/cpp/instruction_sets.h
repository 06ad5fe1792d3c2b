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
#include "parallel.h"

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define PEFTJAVA_X86_LEVELS 1
#include <immintrin.h>
#else
#define PEFTJAVA_X86_LEVELS 0
#endif

#if PEFTJAVA_X86_LEVELS && defined(__linux__)
#define PEFTJAVA_AMX 1
#include <sys/syscall.h>
#include <unistd.h>
#else
#define PEFTJAVA_AMX 0
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
#include "wide_product.inl"

/// The table of this instruction set, which has products of its own.
inline KernelTable makeWideTable(const char* name) {
  KernelTable table = makeTable(name);
  table.widePack = widePack;
  table.wideProduct[0] = wideBackward;
  table.wideProduct[1] = wideForward;
  return table;
}
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(                                                                \
    __attribute__((target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))),        \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
namespace vnni {
using namespace avx512;
#include "int8_vnni.inl"

#include "int8_product.inl"

#include "four_bit_vnni.inl"

#include "four_bit_integers.inl"
}  // namespace vnni
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(                                                                    \
    __attribute__((target("avx512vbmi,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
    apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512vbmi,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
namespace vbmi {
using namespace avx512;
#include "four_bit_vbmi.inl"

#include "four_bit_integers.inl"
}  // namespace vbmi
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if PEFTJAVA_AMX
#if defined(__clang__)
#pragma clang attribute push(                                                             \
    __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512bf16,avx512f,avx512bw,avx512dq," \
                          "avx512vl,avx2,fma"))),                                          \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target( \
    "amx-tile,amx-bf16,amx-int8,avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
namespace avx512 {
#include "amx_tiles.inl"

#include "bytes_amx.inl"
#include "dense_amx.inl"
#include "four_bit_amx.inl"
#include "tile_parts.inl"
#include "few_rows_amx.inl"
#include "tile_products.inl"
#include "int8_amx.inl"
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

/// Asks the kernel for the tile registers, which processes do not have from the start.
inline bool tilesGranted() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif  // PEFTJAVA_AMX

#endif  // PEFTJAVA_X86_LEVELS

/// Level codes shared with KernelIsa.java.
enum Level { kScalar = 0, kAvx2 = 1, kAvx512 = 2, kAvx512Vnni = 3, kAmx = 4 };

/// The highest level this processor and this build have.
inline int highestLevel() {
#if PEFTJAVA_X86_LEVELS
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
#if PEFTJAVA_AMX
  static const bool amx = vnni && __builtin_cpu_supports("avx512bf16") &&
                          __builtin_cpu_supports("avx512vbmi") &&
                          __builtin_cpu_supports("amx-tile") &&
                          __builtin_cpu_supports("amx-bf16") &&
                          __builtin_cpu_supports("amx-int8") && tilesGranted();
  if (amx) return kAmx;
#endif
  return vnni ? kAvx512Vnni : avx512 ? kAvx512 : avx2 ? kAvx2 : kScalar;
#else
  return kScalar;
#endif
}

#if PEFTJAVA_X86_LEVELS
inline KernelTable withVnni(const char* name) {
  KernelTable table = avx512::makeWideTable(name);
  table.bytesProduct[kFloat32] = vnni::bytesProduct<float>;
  table.bytesProduct[kBFloat16] = vnni::bytesProduct<bf16>;
  table.fourBitIntegersPack = vnni::packIntegers;
  table.fourBitIntegers = vnni::fourBitIntegers;
  return table;
}
#endif

inline const KernelTable& tableOf(int level) {
  static const KernelTable scalarTable = portable::makeTable("scalar");
#if PEFTJAVA_X86_LEVELS
  static const KernelTable avx2Table = avx2::makeTable("avx2");
  static const KernelTable avx512Table = avx512::makeWideTable("avx512");
  static const KernelTable vnniTable = [] {
    KernelTable table = withVnni("avx512_vnni");
    // With AMX they are in that table, and this one keeps what processors without VBMI have, for tests.
    if (__builtin_cpu_supports("avx512vbmi") && highestLevel() != kAmx) table.fourBitIntegers = vbmi::fourBitIntegers;
    return table;
  }();
#if PEFTJAVA_AMX
  static const KernelTable amxTable = [] {
    KernelTable table = withVnni("amx");
    table.fourBitIntegers = vbmi::fourBitIntegers;
    avx512::useTiles(table);
    avx512::useByteTiles(table);
    return table;
  }();
  if (level == kAmx) return amxTable;
#endif
  if (level == kAvx512Vnni) return vnniTable;
  if (level == kAvx512) return avx512Table;
  if (level == kAvx2) return avx2Table;
#else
  (void)level;
#endif
  return scalarTable;
}

}  // namespace peftjava
