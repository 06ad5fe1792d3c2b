// Layer normalisation with float statistics, forward (optionally after a residual sum) and backward.

/// h[i] = x[i] + residual[i], rounded to T: what an unfused sum would hand to the norm.
template <typename T>
inline void addRow(const T* x, const T* residual, T* h, int64_t width) {
  for (int64_t i = 0; i < width; i += kLanes)
    storeUpTo(h + i, loadUpTo(x + i, width - i) + loadUpTo(residual + i, width - i), width - i);
}

template <typename T>
inline float rowMean(const T* h, int64_t width) {
  Vec sums[2] = {splat(0.0f), splat(0.0f)};
  int64_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    sums[0] = sums[0] + load(h + i);
    sums[1] = sums[1] + load(h + i + kLanes);
  }
  for (; i < width; i += kLanes) sums[0] = sums[0] + loadUpTo(h + i, width - i);
  return sumLanes(sums[0] + sums[1]) / static_cast<float>(width);
}

/// Two passes: the row is in the cache, and E[h^2] - E[h]^2 would cancel.
template <typename T>
inline float rowVariance(const T* h, int64_t width, float mean) {
  Vec sums[2] = {splat(0.0f), splat(0.0f)}, centre = splat(mean);
  int64_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    Vec d0 = load(h + i) - centre, d1 = load(h + i + kLanes) - centre;
    sums[0] = fma(d0, d0, sums[0]);
    sums[1] = fma(d1, d1, sums[1]);
  }
  for (; i < width; i += kLanes) {
    Vec d = keepUpTo(loadUpTo(h + i, width - i) - centre, width - i);
    sums[0] = fma(d, d, sums[0]);
  }
  return sumLanes(sums[0] + sums[1]) / static_cast<float>(width);
}

template <typename T, typename P>
void layerNorm(const LayerNormArgs& a, int64_t begin, int64_t end) {
  const P* weight = static_cast<const P*>(a.weight);
  const P* bias = static_cast<const P*>(a.bias);
  for (int64_t row = begin; row < end; row++) {
    const T* h = static_cast<const T*>(a.x) + row * a.width;
    if (a.residual != nullptr) {
      T* sum = static_cast<T*>(a.sum) + row * a.width;
      addRow(h, static_cast<const T*>(a.residual) + row * a.width, sum, a.width);
      h = sum;
    }
    T* y = static_cast<T*>(a.y) + row * a.width;
    float mean = rowMean(h, a.width);
    float rstd = static_cast<float>(1.0 / std::sqrt(rowVariance(h, a.width, mean) + a.eps));
    Vec centre = splat(mean), inverse = splat(rstd);
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec v = (loadUpTo(h + i, left) - centre) * inverse;
      if (weight != nullptr) v = v * loadUpTo(weight + i, left);
      if (bias != nullptr) v = v + loadUpTo(bias + i, left);
      storeUpTo(y + i, v, left);
    }
    if (a.mean != nullptr) a.mean[row] = mean;
    if (a.rstd != nullptr) a.rstd[row] = rstd;
  }
}

template <typename T, typename P>
inline Vec weighted(const T* gy, const P* weight, int64_t i, int64_t left) {
  Vec g = loadUpTo(gy + i, left);
  return weight == nullptr ? g : g * loadUpTo(weight + i, left);
}

/// gh = rstd (g - mean(g) - n mean(g n)) + add with g = gy weight and n = (h - mean) rstd.
template <typename T, typename P>
void layerNormInputGrad(const LayerNormGradArgs& a, int64_t begin, int64_t end) {
  const P* weight = static_cast<const P*>(a.weight);
  for (int64_t row = begin; row < end; row++) {
    const T* gy = static_cast<const T*>(a.gy) + row * a.width;
    const T* h = static_cast<const T*>(a.h) + row * a.width;
    const T* add = a.add == nullptr ? nullptr : static_cast<const T*>(a.add) + row * a.width;
    T* gh = static_cast<T*>(a.gh) + row * a.width;
    Vec centre = splat(a.mean[row]), inverse = splat(a.rstd[row]);
    Vec sumG = splat(0.0f), sumGn = splat(0.0f);
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec g = weighted(gy, weight, i, left);
      Vec n = (loadUpTo(h + i, left) - centre) * inverse;
      sumG = sumG + g;
      sumGn = fma(g, n, sumGn);  // g is 0 in the lanes past the end
    }
    Vec meanG = splat(sumLanes(sumG) / static_cast<float>(a.width));
    Vec meanGn = splat(sumLanes(sumGn) / static_cast<float>(a.width));
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec g = weighted(gy, weight, i, left);
      Vec n = (loadUpTo(h + i, left) - centre) * inverse;
      Vec v = inverse * (g - meanG - n * meanGn);
      if (add != nullptr) v = v + loadUpTo(add + i, left);
      storeUpTo(gh + i, v, left);
    }
  }
}

/// gweight[j] = sum over rows of gy n, gbias[j] = sum over rows of gy, for columns [begin, end).
/// Threads share columns, not rows, so that the order of summation never changes.
template <typename T, typename P>
void layerNormWeightGrad(const LayerNormGradArgs& a, int64_t begin, int64_t end) {
  constexpr int kColumns = 4 * kLanes;
  P* gweight = static_cast<P*>(a.gweight);
  P* gbias = static_cast<P*>(a.gbias);
  for (int64_t first = begin; first < end; first += kColumns) {
    int64_t last = first + kColumns < end ? first + kColumns : end;
    Vec sumW[4], sumB[4];
    for (int c = 0; c < 4; c++) sumW[c] = sumB[c] = splat(0.0f);
    for (int64_t row = 0; row < a.rows; row++) {
      const T* gy = static_cast<const T*>(a.gy) + row * a.width;
      const T* h = static_cast<const T*>(a.h) + row * a.width;
      Vec centre = splat(a.mean[row]), inverse = splat(a.rstd[row]);
      int64_t i = first;
      for (int c = 0; c < 4 && i < last; c++, i += kLanes) {
        Vec g = loadUpTo(gy + i, last - i);
        Vec n = (loadUpTo(h + i, last - i) - centre) * inverse;
        sumW[c] = fma(g, n, sumW[c]);
        sumB[c] = sumB[c] + g;
      }
    }
    int64_t i = first;
    for (int c = 0; c < 4 && i < last; c++, i += kLanes) {
      if (gweight != nullptr) storeUpTo(gweight + i, sumW[c], last - i);
      if (gbias != nullptr) storeUpTo(gbias + i, sumB[c], last - i);
    }
  }
}
