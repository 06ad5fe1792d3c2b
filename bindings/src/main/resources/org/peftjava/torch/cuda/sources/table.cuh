// One launch for many tensors: what differs between them is among the kernel's arguments.
#pragma once

#include "element.cuh"

/// Entries of equally many numbers, of which the first is the thread block that begins with it. All
/// arguments of a kernel have 4096 bytes.
struct Table {
  i64 numbers[448];
};

/// Where the entry of WIDTH numbers begins to which this thread block belongs.
template <int WIDTH>
__device__ __forceinline__ int entryOfBlock(const Table& table, int entries) {
  int low = 0, high = entries;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.numbers[middle * WIDTH] <= (i64)blockIdx.x)
      low = middle;
    else
      high = middle;
  }
  return low * WIDTH;
}
