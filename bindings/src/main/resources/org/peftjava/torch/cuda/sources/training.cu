// What a training step computes between the matrix products: dropout, the product of a gated feed-forward block, the rotation of
// queries and keys, and the loss of logits.
#include "element.cuh"

/// One of Philox4x32-10's four words for a counter and a key: dropout.inl says which word an element takes.
struct Words {
  u32 word[4];
};

__device__ __forceinline__ u32 highProduct(u32 a, u32 b) { return (u32)(((u64)a * b) >> 32); }

__device__ __forceinline__ Words philox(u64 counter, u64 offset, u64 seed) {
  Words w = {{(u32)counter, (u32)(counter >> 32), (u32)offset, (u32)(offset >> 32)}};
  u32 key0 = (u32)seed, key1 = (u32)(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const u32 high0 = highProduct(w.word[0], 0xD2511F53u), low0 = w.word[0] * 0xD2511F53u;
    const u32 high1 = highProduct(w.word[2], 0xCD9E8D57u), low1 = w.word[2] * 0xCD9E8D57u;
    w = Words{{high1 ^ w.word[1] ^ key0, low1, high0 ^ w.word[3] ^ key1, low0}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return w;
}

/// y = mask(x) multiplier. A thread has a counter: four elements that lie 16 apart, so that 16 lanes read neighbours.
template <typename T>
__device__ __forceinline__ void drop(const T* x, T* y, i64 n, u64 seed, u32 threshold, float multiplier) {
  const i64 counter = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  const i64 first = counter / 16 * 64 + counter % 16;
  if (first >= n) return;
  const Words words = philox((u64)counter, 0, seed);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const i64 at = first + 16 * i;
    if (at < n) put(y + at, words.word[i] >= threshold ? widen(x[at]) * multiplier : 0.0f);
  }
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/// y = silu(gate) up; eight elements a thread.
template <typename T>
__device__ __forceinline__ void gated(const T* gate, const T* up, T* y, i64 n) {
  const i64 first = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
  if (first >= n) return;
  const bool aligned = isAligned(gate, 16) && isAligned(up, 16) && isAligned(y, 16);
  float g[8], u[8];
  loadUpTo8(gate + first, n - first, aligned, g);
  loadUpTo8(up + first, n - first, aligned, u);
#pragma unroll
  for (int i = 0; i < 8; i++) u[i] *= rounded<T>(g[i] * sigmoid(g[i]));
  storeUpTo8(y + first, n - first, aligned, u);
}

/// gup = gy silu(gate), ggate = gy up silu'(gate) with silu'(g) = s (1 + g (1 - s)), s = sigmoid(g).
template <typename T>
__device__ __forceinline__ void gatedGradient(const T* gy, const T* gate, const T* up, T* ggate, T* gup, i64 n) {
  const i64 first = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
  if (first >= n) return;
  const bool aligned = isAligned(gy, 16) && isAligned(gate, 16) && isAligned(up, 16) && isAligned(ggate, 16) && isAligned(gup, 16);
  float o[8], g[8], u[8];
  loadUpTo8(gy + first, n - first, aligned, o);
  loadUpTo8(gate + first, n - first, aligned, g);
  loadUpTo8(up + first, n - first, aligned, u);
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const float s = sigmoid(g[i]);
    u[i] = o[i] * u[i] * s * (1.0f + g[i] * (1.0f - s));
    o[i] *= rounded<T>(g[i] * s);
  }
  storeUpTo8(ggate + first, n - first, aligned, u);
  storeUpTo8(gup + first, n - first, aligned, o);
}

/// y[i] = x[i] cos[i] + x[i + d/2] sin[i], indices modulo d, for x (b, h, t, d) with strides and y of the same sizes as (b, t, h, d).
/// Backward, with the gradient as x: y[i] = x[i] cos[i] + x[i + d/2] sin[i + d/2]. cos and sin are (b or 1, t, d) with the same
/// strides. Eight elements a thread, all rows aligned.
template <typename T>
__device__ __forceinline__ void rotate(const T* x, i64 xBatch, i64 xHead, i64 xToken, const T* cosines, const T* sines, i64 angleBatch,
                                       i64 angleToken, T* y, i64 heads, i64 tokens, int d, int backward, i64 count) {
  const i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const int vectors = d / 8, i = (int)(index % vectors) * 8, other = i < d / 2 ? i + d / 2 : i - d / 2;
  const i64 row = index / vectors, head = row % heads, token = row / heads % tokens, batch = row / heads / tokens;
  const T* from = x + batch * xBatch + head * xHead + token * xToken;
  const i64 angles = batch * angleBatch + token * angleToken;
  float a[8], b[8], c[8], s[8];
  load8(from + i, a);
  load8(from + other, b);
  load8(cosines + angles + i, c);
  load8(sines + angles + (backward ? other : i), s);
#pragma unroll
  for (int k = 0; k < 8; k++) a[k] = rounded<T>(a[k] * c[k]) + b[k] * s[k];
  store8(y + index * 8, a);
}

/// The largest or the sum of all threads' values, in all threads; `shared` has a place for each warp.
template <typename F>
__device__ __forceinline__ float ofBlock(float value, float* shared, float start, F combine) {
#pragma unroll
  for (int step = WARP / 2; step > 0; step /= 2) value = combine(value, __shfl_xor_sync(FULL_WARP, value, step));
  __syncthreads();
  if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = value;
  __syncthreads();
  value = start;
  for (int warp = 0; warp < (int)blockDim.x / WARP; warp++) value = combine(value, shared[warp]);
  return value;
}

struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Sum {
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
};

/// loss[row] = -log softmax(logits)[label], and the logits become its gradient times scale; both 0 for a label below 0. A block a row.
template <typename T>
__device__ __forceinline__ void crossEntropy(T* logits, const i64* labels, float* loss, i64 vocabulary, float scale) {
  __shared__ float shared[WARP];
  T* row = logits + blockIdx.x * vocabulary;
  const i64 label = labels[blockIdx.x];
  const bool aligned = isAligned(row, 16);
  const i64 first = (i64)threadIdx.x * 8, stride = (i64)blockDim.x * 8;
  const bool counts = label >= 0;
  float v[8];
  float largest = __uint_as_float(0xff800000u);
  for (i64 i = first; counts && i < vocabulary; i += stride) {
    loadUpTo8(row + i, vocabulary - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++)
      if (i + k < vocabulary) largest = fmaxf(largest, v[k]);
  }
  largest = ofBlock(largest, shared, __uint_as_float(0xff800000u), Larger());
  float sum = 0.0f;
  for (i64 i = first; counts && i < vocabulary; i += stride) {
    loadUpTo8(row + i, vocabulary - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++)
      if (i + k < vocabulary) sum += expf(v[k] - largest);
  }
  sum = ofBlock(sum, shared, 0.0f, Sum());
  if (threadIdx.x == 0) loss[blockIdx.x] = counts ? largest + logf(sum) - widen(row[label]) : 0.0f;
  __syncthreads();
  const float factor = scale / sum;
  for (i64 i = first; i < vocabulary; i += stride) {
    loadUpTo8(row + i, vocabulary - i, aligned, v);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] = counts ? expf(v[k] - largest) * factor - (i + k == label ? scale : 0.0f) : 0.0f;
    storeUpTo8(row + i, vocabulary - i, aligned, v);
  }
}

#define KERNELS(T, END)                                                                                                     \
  extern "C" __global__ void dropout##END(const T* x, T* y, i64 n, u64 seed, u32 threshold, float multiplier) {             \
    drop(x, y, n, seed, threshold, multiplier);                                                                             \
  }                                                                                                                         \
  extern "C" __global__ void siluProduct##END(const T* gate, const T* up, T* y, i64 n) { gated(gate, up, y, n); }           \
  extern "C" __global__ void siluProductGradient##END(const T* gy, const T* gate, const T* up, T* ggate, T* gup, i64 n) {   \
    gatedGradient(gy, gate, up, ggate, gup, n);                                                                             \
  }                                                                                                                         \
  extern "C" __global__ void rotate##END(const T* x, i64 xBatch, i64 xHead, i64 xToken, const T* cosines, const T* sines,   \
                                         i64 angleBatch, i64 angleToken, T* y, i64 heads, i64 tokens, int d, int backward,  \
                                         i64 count) {                                                                       \
    rotate(x, xBatch, xHead, xToken, cosines, sines, angleBatch, angleToken, y, heads, tokens, d, backward, count);         \
  }                                                                                                                         \
  extern "C" __global__ void crossEntropy##END(T* logits, const i64* labels, float* loss, i64 vocabulary, float scale) {    \
    crossEntropy(logits, labels, loss, vocabulary, scale);                                                                  \
  }

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)

/// out = mask(in), or out + mask(in), rounded once. Elements and masks as in drop.
extern "C" __global__ void settle(const float* in, bf16* out, i64 n, u64 seed, u32 threshold, int add) {
  const i64 counter = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  const i64 first = counter / 16 * 64 + counter % 16;
  if (first >= n) return;
  Words words = {{0, 0, 0, 0}};
  if (threshold > 0) words = philox((u64)counter, 0, seed);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const i64 at = first + 16 * i;
    if (at < n) put(out + at, (add ? widen(out[at]) : 0.0f) + (words.word[i] >= threshold ? in[at] : 0.0f));
  }
}
