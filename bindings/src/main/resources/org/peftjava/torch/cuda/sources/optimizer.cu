// The AdamW step, the norm of all gradients and their scaling, each in one launch for many tensors.
#include "table.cuh"

/// torch.optim.AdamW's single-tensor step, operation by operation in float32. Eight numbers a thread.
/// An entry: block, p, g, mean, square, count, -lr / (1 - beta1^t) and sqrt(1 - beta2^t).
extern "C" __global__ void adamw(const __grid_constant__ Table table, int entries, float decay, float rest1, float beta2,
                                 float rest2, float eps) {
  const int at = entryOfBlock<7>(table, entries);
  const i64 count = table.numbers[at + 5];
  const i64 first = ((i64)(blockIdx.x - table.numbers[at]) * blockDim.x + threadIdx.x) * 8, left = count - first;
  if (left <= 0) return;
  float* p = (float*)table.numbers[at + 1] + first;
  const float* g = (const float*)table.numbers[at + 2] + first;
  float* mean = (float*)table.numbers[at + 3] + first;
  float* square = (float*)table.numbers[at + 4] + first;
  const u64 numbers = (u64)table.numbers[at + 6];
  const float rate = __uint_as_float((u32)numbers), correction = __uint_as_float((u32)(numbers >> 32));
  const bool fromEnd = rest1 >= 0.5f;  // torch.lerp measures from the nearer end
  const bool aligned = isAligned(p, 16) && isAligned(g, 16) && isAligned(mean, 16) && isAligned(square, 16);
  float weights[8], gradients[8], means[8], squares[8];
  loadUpTo8(p, left, aligned, weights);
  loadUpTo8(g, left, aligned, gradients);
  loadUpTo8(mean, left, aligned, means);
  loadUpTo8(square, left, aligned, squares);
#pragma unroll
  for (int k = 0; k < 8; k++) {
    const float gradient = gradients[k], change = gradient - means[k];
    means[k] = fromEnd ? gradient - change * (1.0f - rest1) : means[k] + rest1 * change;
    squares[k] = squares[k] * beta2 + rest2 * gradient * gradient;
    weights[k] = weights[k] * decay + rate * means[k] / (sqrtf(squares[k]) / correction + eps);
  }
  storeUpTo8(p, left, aligned, weights);
  storeUpTo8(mean, left, aligned, means);
  storeUpTo8(square, left, aligned, squares);
}

/// Eight times eight numbers a thread; a thread block's sum of squares. An entry: block, x, count, sums.
template <typename T>
__device__ __forceinline__ void sumSquares(const Table& table, int entries) {
  __shared__ float ofWarp[WARP];
  const int at = entryOfBlock<4>(table, entries);
  const i64 block = blockIdx.x - table.numbers[at], count = table.numbers[at + 2];
  const T* x = (const T*)table.numbers[at + 1];
  const bool aligned = isAligned(x, 16);
  float sum = 0.0f;
  for (int j = 0; j < 8; j++) {
    const i64 i = ((block * 8 + j) * blockDim.x + threadIdx.x) * 8;
    float v[8];
    loadUpTo8(x + i, count - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++) sum = fmaf(v[k], v[k], sum);
  }
  sum = sumOfLanes(sum);
  if (threadIdx.x % WARP == 0) ofWarp[threadIdx.x / WARP] = sum;
  __syncthreads();
  if (threadIdx.x >= WARP) return;
  sum = sumOfLanes(threadIdx.x < blockDim.x / WARP ? ofWarp[threadIdx.x] : 0.0f);
  if (threadIdx.x == 0) ((float*)table.numbers[at + 3])[block] = sum;
}

/// x *= factor. Eight numbers a thread; an entry: block, x, count.
template <typename T>
__device__ __forceinline__ void multiply(const Table& table, int entries, float factor) {
  const int at = entryOfBlock<3>(table, entries);
  const i64 first = ((i64)(blockIdx.x - table.numbers[at]) * blockDim.x + threadIdx.x) * 8;
  const i64 left = table.numbers[at + 2] - first;
  if (left <= 0) return;
  T* x = (T*)table.numbers[at + 1] + first;
  const bool aligned = isAligned(x, 16);
  float v[8];
  loadUpTo8(x, left, aligned, v);
#pragma unroll
  for (int k = 0; k < 8; k++) v[k] *= factor;
  storeUpTo8(x, left, aligned, v);
}

#define KERNELS(T, END)                                                                                       \
  extern "C" __global__ void squares##END(const __grid_constant__ Table table, int entries) {                 \
    sumSquares<T>(table, entries);                                                                            \
  }                                                                                                           \
  extern "C" __global__ void scale##END(const __grid_constant__ Table table, int entries, float factor) {     \
    multiply<T>(table, entries, factor);                                                                      \
  }

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
