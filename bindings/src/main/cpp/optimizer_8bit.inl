// The AdamW step on a state of 8-bit codes with a scale for each 256 numbers: decoded, updated and
// encoded in one pass. The order of operations is that of the CUDA kernel (eight_bit.cu).

constexpr int64_t kStateBlock = 256;

/// A block on its way through the step.
struct StateBlock {
  float p[kStateBlock], m[kStateBlock], v[kStateBlock];
};

/// The numbers of some codes; 0 behind the last.
inline void decode(const ByteMap& map, const uint8_t* codes, float scale, int64_t count, float* x) {
  uint8_t all[kStateBlock] = {};
  std::memcpy(all, codes, static_cast<size_t>(count));
  const Vec factor = splat(scale);
  for (int64_t i = 0; i < count; i += kLanes)
    store(x + i, keepUpTo(gather(map.values, all + i) * factor, count - i));
}

/// The codes nearest to x / max |x|, and max |x|. A block of zeros has the first code.
inline void encode(const ByteMap& map, const float* x, int64_t count, uint8_t* codes, float* scale) {
  Vec largest = splat(0.0f);
  for (int64_t i = 0; i < count; i += kLanes) largest = larger(absolute(load(x + i)), largest);
  float absmax = largestLane(largest);
  *scale = absmax;
  uint8_t all[kStateBlock] = {};
  // The least scale has a finite inverse.
  const Vec inverse = splat(1.0f / (absmax < 1e-38f ? 1e-38f : absmax));
  for (int64_t i = 0; i < count && absmax != 0.0f; i += kLanes) {
    Vec value = load(x + i) * inverse;
    Words code = gatherBytes(map.first, shiftRight(bitsOf(value), 16));
    storeBytes(all + i, addWhereGreater(code, value, gather(map.limits, code), 1));
  }
  std::memcpy(codes, all, static_cast<size_t>(count));
}

inline void loadState(const AdamW8bitArgs& a, int64_t start, int64_t count, StateBlock& block) {
  if (a.mScales != nullptr) {
    int64_t scale = start / kStateBlock;
    decode(a.means, static_cast<const uint8_t*>(a.m) + start, a.mScales[scale], count, block.m);
    decode(a.squares, static_cast<const uint8_t*>(a.v) + start, a.vScales[scale], count, block.v);
  } else {
    size_t bytes = static_cast<size_t>(count) * sizeof(float);
    std::memcpy(block.m, static_cast<const float*>(a.m) + start, bytes);
    std::memcpy(block.v, static_cast<const float*>(a.v) + start, bytes);
  }
}

inline void storeState(const AdamW8bitArgs& a, int64_t start, int64_t count, const StateBlock& block) {
  if (a.mScales != nullptr) {
    int64_t scale = start / kStateBlock;
    encode(a.means, block.m, count, static_cast<uint8_t*>(a.m) + start, a.mScales + scale);
    encode(a.squares, block.v, count, static_cast<uint8_t*>(a.v) + start, a.vScales + scale);
  } else {
    size_t bytes = static_cast<size_t>(count) * sizeof(float);
    std::memcpy(static_cast<float*>(a.m) + start, block.m, bytes);
    std::memcpy(static_cast<float*>(a.v) + start, block.v, bytes);
  }
}

/// A number whose squared gradient is not finite stays as it is and forgets its moments.
template <typename T>
inline void forgetBroken(const T* p, const T* g, int64_t count, StateBlock& block) {
  for (int64_t i = 0; i < count; i++) {
    float gradient = toFloat(g[i]);
    if (gradient * gradient <= std::numeric_limits<float>::max()) continue;
    block.p[i] = toFloat(p[i]);
    block.m[i] = block.v[i] = 0.0f;
  }
}

template <typename T>
void adamw8bit(const AdamW8bitArgs& a, int64_t begin, int64_t end) {
  const Vec beta1 = splat(a.beta1), oneMinusBeta1 = splat(a.oneMinusBeta1), beta2 = splat(a.beta2);
  const Vec oneMinusBeta2 = splat(a.oneMinusBeta2), rate = splat(a.rate), eps = splat(a.eps);
  const Vec decay = splat(a.decay), zero = splat(0.0f);
  StateBlock block = {};
  for (int64_t start = begin; start < end; start += kStateBlock) {
    int64_t count = end - start < kStateBlock ? end - start : kStateBlock;
    T* p = static_cast<T*>(a.p) + start;
    const T* g = static_cast<const T*>(a.g) + start;
    loadState(a, start, count, block);
    Vec wrong = zero;
    for (int64_t i = 0; i < count; i += kLanes) {
      Vec gradient = loadUpTo(g + i, count - i);
      Vec mean = fma(gradient, oneMinusBeta1, load(block.m + i) * beta1);
      Vec square = load(block.v + i) * beta2 + oneMinusBeta2 * gradient * gradient;
      Vec next = (loadUpTo(p + i, count - i) + rate * mean / (root(square) + eps)) * decay;
      wrong = fma(gradient * gradient, zero, wrong);
      store(block.m + i, keepUpTo(mean, count - i));
      store(block.v + i, keepUpTo(square, count - i));
      store(block.p + i, next);
    }
    if (sumLanes(wrong) != 0.0f) forgetBroken(p, g, count, block);
    storeState(a, start, count, block);
    for (int64_t i = 0; i < count; i += kLanes) storeUpTo(p + i, load(block.p + i), count - i);
  }
}
