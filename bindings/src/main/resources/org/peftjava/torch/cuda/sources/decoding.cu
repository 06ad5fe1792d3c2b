// Attention of one new token a row to those in a cache, whose number only the device knows: a step of decoding whose launches are the
// same for every token.
#include "element.cuh"

#define DECODE_THREADS 128
#define DECODE_WARPS (DECODE_THREADS / WARP)
#define LARGEST_HEAD 256

#define NEGATIVE_INFINITY __uint_as_float(0xff800000u)

/// Element e of a head after its rotation, as it is stored: the first `turned` elements turn, that of one half with that of the other,
/// or neighbours. Sines have the sign of the half.
template <typename T>
__device__ __forceinline__ float turnedElement(const T* x, const T* cosines, const T* sines, int turned, int pairs, int e) {
  if (e >= turned) return widen(x[e]);
  const int half = turned / 2;
  const int other = pairs ? e ^ 1 : e < half ? e + half : e - half;
  const int angle = pairs ? (e & 1) * half + e / 2 : e;
  return rounded<T>(rounded<T>(widen(x[e]) * widen(cosines[angle])) + widen(x[other]) * widen(sines[angle]));
}

/// What a softmax's sums so far count for when its largest score becomes another one.
__device__ __forceinline__ float share(float best, float largest) {
  return best == NEGATIVE_INFINITY ? 0.0f : expf(best - largest);
}

/// y = softmax(cap tanh(scale q k^T / cap)) v over the last `window` (0: all) of *position + 1 tokens, the last of which is the new
/// one: its key is rotated and stored in the cache with its value first.
///
/// q (b, heads, d), k and v (b, served, d) with strides, d a multiple of 8 and rows aligned to 16 bytes; cosines and sines
/// (capacity, turned); keys and values (b, served, capacity, d); mask (b, capacity), 0 for padding, or null; y (b, heads, d).
/// A row of blocks has up to G heads that share keys, and each of its blocks some of the tokens. Where several have some, each leaves
/// its sums, largest score and total in `partials` (b, heads, gridDim.x, d + 2), and the last one to come adds them up. `counters`, one a
/// row of blocks, are 0 before and after.
template <typename T, int G>
__device__ __forceinline__ void decode(const T* q, i64 qBatch, i64 qHead, const T* k, i64 kBatch, i64 kHead, const T* v, i64 vBatch,
                                       i64 vHead, const T* cosines, const T* sines, int turned, int pairs, T* keys, T* values,
                                       i64 capacity, const i64* position, const i64* mask, T* y, float* partials, u32* counters,
                                       int heads, int served, int d, i64 window, float scale, float cap) {
  __shared__ float queries[G * LARGEST_HEAD];
  __shared__ float ofWarps[G * DECODE_WARPS * LARGEST_HEAD];
  __shared__ float bests[G * DECODE_WARPS], totals[G * DECODE_WARPS];
  __shared__ u32 ticket;
  const int group = heads / served, parts = (group + G - 1) / G;
  const int part = (int)blockIdx.y % parts, shared = (int)blockIdx.y / parts % served;
  const i64 row = (int)blockIdx.y / parts / served;
  const int firstHead = shared * group + part * G, count = group - part * G < G ? group - part * G : G;
  int lanes = 1;
  while (lanes * 8 < d) lanes *= 2;
  const int slots = DECODE_THREADS / lanes, lane = (int)threadIdx.x % lanes, slot = (int)threadIdx.x / lanes, at = lane * 8;
  const bool mine = at < d;

  const i64 newest = *position;
  const i64 seen = window > 0 && newest + 1 > window ? window : newest + 1;
  i64 size = (seen + gridDim.x - 1) / gridDim.x;
  size = (size < 2 * slots ? 2 * slots : size + slots - 1) / slots * slots;
  const u32 active = (u32)((seen + size - 1) / size);
  if (blockIdx.x >= active) return;
  const i64 from = newest + 1 - seen + blockIdx.x * size, to = from + size < newest + 1 ? from + size : newest + 1;

  const T* cosine = cosines + newest * turned;
  const T* sine = sines + newest * turned;
  T* keyRows = keys + (row * served + shared) * capacity * d;
  T* valueRows = values + (row * served + shared) * capacity * d;
  for (int i = threadIdx.x; i < count * d; i += DECODE_THREADS)
    queries[i] = turnedElement(q + row * qBatch + (firstHead + i / d) * qHead, cosine, sine, turned, pairs, i % d);
  if (to == newest + 1) {
    for (int e = threadIdx.x; e < d; e += DECODE_THREADS) {
      put(keyRows + newest * d + e, turnedElement(k + row * kBatch + shared * kHead, cosine, sine, turned, pairs, e));
      valueRows[newest * d + e] = v[row * vBatch + shared * vHead + e];
    }
  }
  __syncthreads();

  float query[G][8], sum[G][8], best[G], total[G];
#pragma unroll
  for (int g = 0; g < G; g++) {
    best[g] = NEGATIVE_INFINITY;
    total[g] = 0.0f;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      query[g][i] = g < count && mine ? queries[g * d + at + i] : 0.0f;
      sum[g][i] = 0.0f;
    }
  }
  for (i64 start = from; start < to; start += slots) {
    const i64 token = start + slot;
    const bool asked = token < to && (mask == nullptr || mask[row * capacity + token] != 0);
    float key[8] = {0, 0, 0, 0, 0, 0, 0, 0}, value[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (asked && mine) {
      load8(keyRows + token * d + at, key);
      load8(valueRows + token * d + at, value);
    }
#pragma unroll
    for (int g = 0; g < G; g++) {
      float score = 0.0f;
#pragma unroll
      for (int i = 0; i < 8; i++) score = fmaf(query[g][i], key[i], score);
      for (int step = lanes / 2; step > 0; step /= 2) score += __shfl_xor_sync(FULL_WARP, score, step);
      score *= scale;
      if (cap != 0.0f) score = cap * tanhf(score / cap);
      if (!asked || score == NEGATIVE_INFINITY) continue;
      const float largest = fmaxf(best[g], score);
      const float kept = expf(best[g] - largest), weight = expf(score - largest);
      best[g] = largest;
      total[g] = total[g] * kept + weight;
#pragma unroll
      for (int i = 0; i < 8; i++) sum[g][i] = fmaf(weight, value[i], sum[g][i] * kept);
    }
  }

  // the warp's tokens together, then the block's
  const int warp = threadIdx.x / WARP;
#pragma unroll
  for (int g = 0; g < G; g++) {
    for (int step = lanes; step < WARP; step *= 2) {
      const float other = __shfl_xor_sync(FULL_WARP, best[g], step);
      const float largest = fmaxf(best[g], other), own = share(best[g], largest), its = share(other, largest);
      best[g] = largest;
      total[g] = total[g] * own + __shfl_xor_sync(FULL_WARP, total[g], step) * its;
#pragma unroll
      for (int i = 0; i < 8; i++) sum[g][i] = sum[g][i] * own + __shfl_xor_sync(FULL_WARP, sum[g][i], step) * its;
    }
    if ((int)threadIdx.x % WARP < lanes && mine) {
#pragma unroll
      for (int i = 0; i < 8; i++) ofWarps[(g * DECODE_WARPS + warp) * LARGEST_HEAD + at + i] = sum[g][i];
    }
    if (threadIdx.x % WARP == 0) bests[g * DECODE_WARPS + warp] = best[g], totals[g * DECODE_WARPS + warp] = total[g];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count * d; i += DECODE_THREADS) {
    const int g = i / d, e = i % d;
    float largest = NEGATIVE_INFINITY, result = 0.0f, whole = 0.0f;
    for (int w = 0; w < DECODE_WARPS; w++) largest = fmaxf(largest, bests[g * DECODE_WARPS + w]);
    for (int w = 0; w < DECODE_WARPS; w++) {
      const float its = share(bests[g * DECODE_WARPS + w], largest);
      result += ofWarps[(g * DECODE_WARPS + w) * LARGEST_HEAD + e] * its;
      whole += totals[g * DECODE_WARPS + w] * its;
    }
    const i64 head = row * heads + firstHead + g;
    if (active == 1) {
      put(y + head * d + e, whole == 0.0f ? 0.0f : result / whole);
      continue;
    }
    float* partial = partials + (head * gridDim.x + blockIdx.x) * (d + 2);
    partial[e] = result;
    if (e == 0) partial[d] = largest, partial[d + 1] = whole;
  }
  if (active == 1) return;

  // the last block of the row has the partials of all
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) ticket = atomicAdd(counters + blockIdx.y, 1u);
  __syncthreads();
  if (ticket != active - 1) return;
  __threadfence();
  if (threadIdx.x == 0) counters[blockIdx.y] = 0;
  for (int i = threadIdx.x; i < count * d; i += DECODE_THREADS) {
    const i64 head = row * heads + firstHead + i / d;
    const volatile float* of = partials + head * gridDim.x * (d + 2);
    float largest = NEGATIVE_INFINITY;
    for (u32 s = 0; s < active; s++) largest = fmaxf(largest, of[s * (d + 2) + d]);
    float result = 0.0f, whole = 0.0f;
    for (u32 s = 0; s < active; s++) {
      const float its = share(of[s * (d + 2) + d], largest);
      result += of[s * (d + 2) + i % d] * its;
      whole += of[s * (d + 2) + d + 1] * its;
    }
    put(y + head * d + i % d, whole == 0.0f ? 0.0f : result / whole);
  }
}

#define DECODE(T, END, G)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(DECODE_THREADS) decodeAttention##G##END(                                            \
      const T* q, i64 qBatch, i64 qHead, const T* k, i64 kBatch, i64 kHead, const T* v, i64 vBatch, i64 vHead, const T* cosines,   \
      const T* sines, int turned, int pairs, T* keys, T* values, i64 capacity, const i64* position, const i64* mask, T* y,         \
      float* partials, u32* counters, int heads, int served, int d, i64 window, float scale, float cap) {                          \
    decode<T, G>(q, qBatch, qHead, k, kBatch, kHead, v, vBatch, vHead, cosines, sines, turned, pairs, keys, values, capacity,      \
                 position, mask, y, partials, counters, heads, served, d, window, scale, cap);                                     \
  }

#define KERNELS(T, END) DECODE(T, END, 1) DECODE(T, END, 4)

KERNELS(float, F32)
KERNELS(f16, F16)
KERNELS(bf16, BF16)
