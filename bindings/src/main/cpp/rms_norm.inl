// Root-mean-square normalisation with float statistics, forward and backward.

/// a as it would come back from memory of this type.
inline Vec asStored(const float*, Vec a) { return a; }
inline Vec asStored(const bf16*, Vec a) {
  bf16 memory[kLanes];
  store(memory, a);
  return load(memory);
}

/// What the normalised values are multiplied with.
template <typename P>
inline Vec scaleOf(const P* weight, float offset, int64_t i, int64_t left) {
  return loadUpTo(weight + i, left) + splat(offset);
}

template <typename T, typename P>
void rmsNorm(const RmsNormArgs& a, int64_t begin, int64_t end) {
  const P* weight = static_cast<const P*>(a.weight);
  for (int64_t row = begin; row < end; row++) {
    const T* x = static_cast<const T*>(a.x) + row * a.width;
    T* y = static_cast<T*>(a.y) + row * a.width;
    Vec squares[2] = {splat(0.0f), splat(0.0f)};
    int64_t i = 0;
    for (; i + 2 * kLanes <= a.width; i += 2 * kLanes) {
      Vec v0 = load(x + i), v1 = load(x + i + kLanes);
      squares[0] = fma(v0, v0, squares[0]);
      squares[1] = fma(v1, v1, squares[1]);
    }
    for (; i < a.width; i += kLanes) {
      Vec v = loadUpTo(x + i, a.width - i);
      squares[0] = fma(v, v, squares[0]);
    }
    float mean = sumLanes(squares[0] + squares[1]) / static_cast<float>(a.width);
    float rstd = static_cast<float>(1.0 / std::sqrt(static_cast<double>(mean) + a.eps));
    Vec inverse = splat(rstd);
    for (i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec n = loadUpTo(x + i, left) * inverse;
      if (a.roundFirst) n = asStored(x, n);
      storeUpTo(y + i, n * scaleOf(weight, a.offset, i, left), left);
    }
    if (a.rstd != nullptr) a.rstd[row] = rstd;
  }
}

/// gx = rstd (g - n mean(g n)) with g = gy scale and n = x rstd.
template <typename T, typename P>
void rmsNormInputGrad(const RmsNormGradArgs& a, int64_t begin, int64_t end) {
  const P* weight = static_cast<const P*>(a.weight);
  for (int64_t row = begin; row < end; row++) {
    const T* gy = static_cast<const T*>(a.gy) + row * a.width;
    const T* x = static_cast<const T*>(a.x) + row * a.width;
    T* gx = static_cast<T*>(a.gx) + row * a.width;
    Vec inverse = splat(a.rstd[row]), sum = splat(0.0f);
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec g = loadUpTo(gy + i, left) * scaleOf(weight, a.offset, i, left);
      sum = fma(g, loadUpTo(x + i, left) * inverse, sum);  // both are 0 past the end
    }
    Vec mean = splat(sumLanes(sum) / static_cast<float>(a.width));
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec g = loadUpTo(gy + i, left) * scaleOf(weight, a.offset, i, left);
      Vec n = loadUpTo(x + i, left) * inverse;
      storeUpTo(gx + i, inverse * (g - n * mean), left);
    }
  }
}

/// gweight[j] = sum over rows of gy n, for columns [begin, end): threads share columns, so that the
/// order of summation never changes.
template <typename T, typename P>
void rmsNormWeightGrad(const RmsNormGradArgs& a, int64_t begin, int64_t end) {
  P* gweight = static_cast<P*>(a.gweight);
  for (int64_t i = begin; i < end; i += kLanes) {
    int64_t left = end - i;
    Vec sum = splat(0.0f);
    for (int64_t row = 0; row < a.rows; row++) {
      const T* x = static_cast<const T*>(a.x) + row * a.width + i;
      Vec n = loadUpTo(x, left) * splat(a.rstd[row]);
      if (a.roundFirst) n = asStored(x, n);
      sum = fma(loadUpTo(static_cast<const T*>(a.gy) + row * a.width + i, left), n, sum);
    }
    storeUpTo(gweight + i, sum, left);
  }
}
