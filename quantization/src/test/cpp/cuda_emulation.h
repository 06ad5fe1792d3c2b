// What the kernels need of CUDA, on the CPU: the threads of a block take turns on stacks of their own
// and change over where they wait for one another. One block at a time, so that __shared__ is static.
//
// It is stricter than a card: a thread that ends, or waits elsewhere, while others wait for it is an
// error, and so is a lane that a shuffle names but that does not come.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#define PEFTJAVA_EMULATION
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __grid_constant__

struct Dim3 {
  unsigned int x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned int x, y, z, w;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return float4{x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }

inline Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

constexpr int kWarp = 32;
constexpr size_t kStack = 64 * 1024;

enum class State { kRunning, kAtBlock, kAtWarp, kDone };

struct Thread {
  std::unique_ptr<char[]> stack;
  State state = State::kDone;
  bool started = false;
  jmp_buf resume;
};

struct Block {
  std::vector<std::unique_ptr<Thread>> threads;
  jmp_buf scheduler;
  const std::function<void()>* body = nullptr;
  uint32_t exchanged[1024];
  uint32_t fragments[1024][6];
};

inline Block block;

/// Gives the turn away. Jumps between stacks cost no system call, as swapcontext would.
__attribute__((noinline)) inline void pause(State state) {
  Thread& self = *block.threads[threadIdx.x];
  self.state = state;
  if (_setjmp(self.resume) == 0) _longjmp(block.scheduler, 1);
}

/// The life of a thread, for all blocks to come.
inline void runThread() {
  for (;;) {
    (*block.body)();
    pause(State::kDone);
  }
}

/// Gives a thread the turn, until it pauses.
__attribute__((noinline)) inline void turn(Thread& thread) {
  if (_setjmp(block.scheduler) != 0) return;
  if (thread.started) _longjmp(thread.resume, 1);
  thread.started = true;
  if (thread.stack == nullptr) thread.stack.reset(new char[kStack]);
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = thread.stack.get();
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, runThread, 0);
  setcontext(&context);
}

/// Lets threads [first, last) go on if all of them wait in this state.
inline bool release(size_t first, size_t last, State state) {
  for (size_t i = first; i < last; i++)
    if (block.threads[i]->state != state) return false;
  for (size_t i = first; i < last; i++) block.threads[i]->state = State::kRunning;
  return true;
}

/// Runs all threads of the block that blockIdx names.
inline void runBlock(size_t count, const std::function<void()>& body) {
  while (block.threads.size() < count) block.threads.push_back(std::make_unique<Thread>());
  block.body = &body;
  for (size_t i = 0; i < count; i++) block.threads[i]->state = State::kRunning;
  for (size_t done = 0; done < count;) {
    bool moved = false;
    done = 0;
    for (size_t i = 0; i < count; i++) {
      Thread& thread = *block.threads[i];
      if (thread.state == State::kRunning) {
        threadIdx = Dim3{static_cast<unsigned>(i), 0, 0};
        turn(thread);
        moved = true;
      }
      done += thread.state == State::kDone;
    }
    for (size_t i = 0; i < count; i += kWarp) moved |= release(i, i + kWarp, State::kAtWarp);
    if (done == 0) moved |= release(0, count, State::kAtBlock);
    if (!moved && done < count) {
      block.threads.clear();
      throw std::runtime_error("threads of a block wait for one another at different places");
    }
  }
}

/// The value that another lane of the warp hands over in the same exchange.
template <typename T>
T exchange(T value, int lane) {
  static_assert(sizeof(T) == 4);
  const unsigned self = threadIdx.x;
  std::memcpy(&block.exchanged[self], &value, 4);
  pause(State::kAtWarp);
  std::memcpy(&value, &block.exchanged[self / kWarp * kWarp + lane], 4);
  pause(State::kAtWarp);
  return value;
}

inline float halfOf(bool high, uint32_t pair, float (*widen)(unsigned short)) {
  return widen(static_cast<unsigned short>(high ? pair >> 16 : pair));
}

/// mma.sync.m16n8k16.row.col with float32 sums, in the fragments of the PTX ISA. Of lane 4 g + t: a's pairs
/// are (g, 2 t), (g + 8, 2 t), (g, 2 t + 8), (g + 8, 2 t + 8); b's begin at rows 2 t and 2 t + 8 of column g;
/// its sums are (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1). A sum is rounded once.
inline void addProduct(float* sum, const uint32_t* a, uint32_t b0, uint32_t b1,
                       float (*widen)(unsigned short)) {
  const unsigned self = threadIdx.x, warp = self / kWarp * kWarp;
  const unsigned g = self % kWarp / 4, t = self % 4;
  std::memcpy(block.fragments[self], a, 16);
  block.fragments[self][4] = b0;
  block.fragments[self][5] = b1;
  pause(State::kAtWarp);
  for (unsigned i = 0; i < 4; i++) {
    const unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
    double total = sum[i];
    for (unsigned k = 0; k < 16; k++) {
      const uint32_t left = block.fragments[warp + row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
      const uint32_t right = block.fragments[warp + column * 4 + k % 8 / 2][4 + k / 8];
      total += static_cast<double>(halfOf(k % 2, left, widen)) * halfOf(k % 2, right, widen);
    }
    sum[i] = static_cast<float>(total);
  }
  pause(State::kAtWarp);
}

}  // namespace emulation

inline void __syncwarp() { emulation::pause(emulation::State::kAtWarp); }

inline void __syncthreads() { emulation::pause(emulation::State::kAtBlock); }

template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulation::exchange(value, static_cast<int>(threadIdx.x % 32) ^ mask);
}

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  return emulation::exchange(value, lane);
}

template <typename T>
T __shfl_up_sync(unsigned, T value, int step) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  return emulation::exchange(value, lane >= step ? lane - step : lane);
}

/// Threads take turns, so that nothing comes between.
inline void atomicOr(unsigned int* at, unsigned int bits) { *at |= bits; }

inline int __popc(unsigned int bits) { return __builtin_popcount(bits); }

/// Blocks run one after the other: what one has written, the next one sees.
inline void __threadfence() {}

inline unsigned int atomicAdd(unsigned int* address, unsigned int value) {
  const unsigned int before = *address;
  *address += value;
  return before;
}

inline unsigned int __float_as_uint(float value) {
  unsigned int bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float __uint_as_float(unsigned int bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// Rounds halves to even; what no int holds becomes the nearest, NaN 0.
inline int __float2int_rn(float x) {
  if (x != x) return 0;
  if (x >= 2147483648.0f) return INT32_MAX;
  if (x < -2147483648.0f) return INT32_MIN;
  return static_cast<int>(std::nearbyint(x));
}

inline int __dp4a(int a, int b, int sum) {
  for (int shift = 0; shift < 32; shift += 8)
    sum += static_cast<int>(static_cast<int8_t>(a >> shift)) * static_cast<int8_t>(b >> shift);
  return sum;
}

inline float halfToFloat(unsigned short bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float size = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
               : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return std::copysign(size, bits >> 15 ? -1.0f : 1.0f);
}

/// Nearest, ties to even.
inline unsigned short floatToHalf(float value) {
  const unsigned short sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (size != size) return 0x7fff;
  if (size >= 65520.0f) return static_cast<unsigned short>(sign | 0x7c00);
  // In units of the last place, which is 2^-24 below 2^-14: whole numbers up to 2048.
  int exponent;
  std::frexp(size, &exponent);
  const int last = exponent - 11 < -24 ? -24 : exponent - 11;
  const int units = static_cast<int>(std::nearbyint(std::ldexp(size, -last)));
  // A fraction that has become 2048 carries into the exponent by itself.
  const int bits = size == 0 ? 0 : ((last + 24) << 10) + units;
  return static_cast<unsigned short>(sign | bits);
}

inline unsigned int twoHalves(float low, float high) {
  return floatToHalf(low) | static_cast<unsigned int>(floatToHalf(high)) << 16;
}

// What tiles.cuh has in machine code.

template <typename T>
void addProduct(T, float* sum, const unsigned* a, unsigned b0, unsigned b1) {
  emulation::addProduct(sum, a, b0, b1, [](unsigned short bits) { return widen(T{bits}); });
}

inline void loadOnce(uint4& v, const unsigned char* p, bool needed) {
  if (needed) v = *reinterpret_cast<const uint4*>(p);
}

using SharedAddress = const char*;

inline SharedAddress addressOf(const void* shared) { return static_cast<const char*>(shared); }

inline unsigned lookUp(SharedAddress table, unsigned word, int i) {
  unsigned value;
  std::memcpy(&value, table + 128 * (word >> (8 * i) & 255), 4);
  return value;
}
