// Machine code that products on tensor cores need; the tests on the CPU have their own of the same names.
#pragma once

#include "element.cuh"

#ifndef PEFTJAVA_EMULATION
#if __CUDA_ARCH__ >= 800
#define MMA(type)                                                                                     \
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "                         \
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                      \
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                               \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))
#else
#define MMA(type)
#endif

/// sum (16 x 8) += a (16 x 16) times b (16 x 8), as a warp's lanes hold fragments of them.
__device__ __forceinline__ void addProduct(bf16, float* sum, const u32* a, u32 b0, u32 b1) { MMA("bf16"); }
__device__ __forceinline__ void addProduct(f16, float* sum, const u32* a, u32 b0, u32 b1) { MMA("f16"); }

/// 16 bytes that are read once, if they are needed: they shall not drive x out of the cache.
__device__ __forceinline__ void loadOnce(uint4& v, const u8* p, bool needed) {
  asm volatile(
      "{\n.reg .pred needed;\nsetp.ne.u32 needed, %5, 0;\n"
      "@needed ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];\n}"
      : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w)
      : "l"(p), "r"((u32)needed));
}

typedef u32 SharedAddress;

/// Of shared memory that is filled already.
__device__ __forceinline__ SharedAddress addressOf(const void* p) {
  SharedAddress address;
  asm volatile("{\n.reg .u64 wide;\ncvta.to.shared.u64 wide, %1;\ncvt.u32.u64 %0, wide;\n}"
               : "=r"(address)
               : "l"(p)
               : "memory");
  return address;
}

/// The entry of byte i of a word in a table of 128 bytes an entry: three instructions, where the
/// compiler takes five.
__device__ __forceinline__ u32 lookUp(SharedAddress table, u32 word, int i) {
  u32 value;
  asm volatile("{\n.reg .u32 at;\nprmt.b32 at, %2, 0, %3;\nmad.lo.u32 at, at, 128, %1;\nld.shared.u32 %0, [at];\n}"
               : "=r"(value)
               : "r"(table), "r"(word), "r"(0x4440 | i));
  return value;
}
#endif
