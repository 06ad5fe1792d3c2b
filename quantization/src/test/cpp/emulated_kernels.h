// All kernels under their names, to be launched on the CPU.
#pragma once

#include <map>
#include <mutex>
#include <type_traits>
#include <utility>

#include "cuda_emulation.h"

#include "element.cuh"

#include "table.cuh"

#include "blockwise.cuh"

#include "int8.cuh"

namespace training {
#include "training.cu"
#undef KERNELS
}  // namespace training

namespace decoding {
#include "decoding.cu"
#undef KERNELS
}  // namespace decoding

namespace low_rank {
#include "low_rank.cu"
#undef KERNELS
}  // namespace low_rank

namespace optimizer {
#include "optimizer.cu"
#undef KERNELS
}  // namespace optimizer

namespace four_bit {
#include "four_bit.cu"
#undef KERNELS
}  // namespace four_bit

namespace four_bit_tiles {
#include "four_bit_tiles.cu"
#undef KERNELS
}  // namespace four_bit_tiles

namespace eight_bit {
#include "eight_bit.cu"
#undef KERNELS
}  // namespace eight_bit

namespace int8 {
#include "int8.cu"
#undef KERNELS
#include "int8_few.cu"
#undef KERNELS
}  // namespace int8

namespace emulation {

/// A kernel whose arguments come in slots of eight bytes, as the Java side has them. The slot of a
/// table has its address.
struct Kernel {
  size_t arguments;
  bool table;
  std::function<void(const int64_t*)> call;
};

template <typename T>
T ofSlot(const int64_t& slot) {
  T value;
  std::memcpy(&value, &slot, sizeof value);
  return value;
}

template <>
inline Table ofSlot<Table>(const int64_t& slot) {
  return *reinterpret_cast<const Table*>(slot);
}

template <typename... A, size_t... I>
std::function<void(const int64_t*)> caller(void (*f)(A...), std::index_sequence<I...>) {
  return [f](const int64_t* slots) { f(ofSlot<A>(slots[I])...); };
}

template <typename... A>
Kernel kernel(void (*f)(A...)) {
  return Kernel{sizeof...(A), (std::is_same_v<std::remove_const_t<A>, Table> || ...),
                caller(f, std::index_sequence_for<A...>())};
}

#define ENTRY(space, name) {#name, kernel(space::name)},
#define HALF_ENTRIES(space, name) ENTRY(space, name##F16) ENTRY(space, name##BF16)
#define ENTRIES(space, name) ENTRY(space, name##F32) HALF_ENTRIES(space, name)

inline const std::map<std::string, Kernel>& kernels() {
  static const std::map<std::string, Kernel> all = {
      ENTRIES(four_bit, fourBitDequantize)
      ENTRIES(four_bit, fourBitQuantize)
      ENTRIES(four_bit, fourBitProduct1)
      ENTRIES(four_bit, fourBitProduct2)
      ENTRIES(four_bit, fourBitProduct4)
      ENTRIES(four_bit, fourBitProduct8)
      HALF_ENTRIES(four_bit_tiles, fourBitTiles1)
      HALF_ENTRIES(four_bit_tiles, fourBitTiles2)
      HALF_ENTRIES(four_bit_tiles, fourBitTiles4)
      HALF_ENTRIES(four_bit_tiles, fourBitTiles8)
      ENTRIES(eight_bit, eightBitQuantize)
      ENTRIES(eight_bit, eightBitDequantize)
      ENTRIES(eight_bit, adamw8bit)
      ENTRIES(int8, int8Prepare)
      ENTRIES(int8, int8Few1)
      ENTRIES(int8, int8Few2)
      ENTRIES(int8, int8Few4)
      ENTRIES(int8, int8Few8)
      ENTRIES(int8, int8Scan)
      ENTRIES(int8, int8Encode)
      ENTRIES(int8, int8Finish)
      ENTRIES(int8, int8Dequantize)
      ENTRY(int8, int8Clear)
      ENTRY(int8, int8Product)
      ENTRIES(decoding, decodeAttention1)
      ENTRIES(decoding, decodeAttention4)
      ENTRIES(training, dropout)
      ENTRIES(training, siluProduct)
      ENTRIES(training, siluProductGradient)
      ENTRIES(training, rotate)
      ENTRIES(training, crossEntropy)
      ENTRY(low_rank, parts)
      ENTRY(low_rank, partsOfTwo)
      ENTRIES(low_rank, lowRankDown)
      ENTRIES(low_rank, lowRankUp)
      ENTRY(training, settle)
      ENTRY(optimizer, adamw)
      ENTRIES(optimizer, squares)
      ENTRIES(optimizer, scale)
  };
  return all;
}

/// The names, one a line.
inline std::string names() {
  std::string result;
  for (const auto& entry : kernels()) result += entry.first + "\n";
  return result;
}

/// table: the numbers of the first parameter, or nullptr.
inline void launch(const char* name, int gridX, int gridY, int threads, const int64_t* table,
                   const int64_t* arguments, int count) {
  static std::mutex one;
  std::lock_guard<std::mutex> lock(one);
  auto found = kernels().find(name);
  if (found == kernels().end()) throw std::runtime_error(std::string("no kernel ") + name);
  std::vector<int64_t> slots(arguments, arguments + count);
  if (table != nullptr) slots.insert(slots.begin(), reinterpret_cast<int64_t>(table));
  if (found->second.arguments != slots.size() || found->second.table != (table != nullptr))
    throw std::runtime_error(std::string(name) + " takes " +
                             std::to_string(found->second.arguments) + " arguments, got " +
                             std::to_string(slots.size()));
  if (threads % kWarp != 0 || threads > 1024)
    throw std::runtime_error("a block of " + std::to_string(threads) + " threads");
  const std::function<void()> body = [&] { found->second.call(slots.data()); };
  gridDim = Dim3{static_cast<unsigned>(gridX), static_cast<unsigned>(gridY), 1};
  blockDim = Dim3{static_cast<unsigned>(threads), 1, 1};
  for (unsigned y = 0; y < gridDim.y; y++) {
    for (unsigned x = 0; x < gridDim.x; x++) {
      blockIdx = Dim3{x, y, 0};
      runBlock(static_cast<size_t>(threads), body);
    }
  }
}

}  // namespace emulation
