// The AdamW step and the reductions of gradient clipping.

/// torch.optim.AdamW's single-tensor step, operation by operation in float, without contraction.
void adamw(const AdamWArgs& a, int64_t begin, int64_t end) {
  const Vec gradScale = splat(a.gradScale), decay = splat(a.decay), eps = splat(a.eps);
  const Vec oneMinusBeta1 = splat(a.oneMinusBeta1), beta2 = splat(a.beta2);
  const Vec oneMinusBeta2 = splat(a.oneMinusBeta2), correction = splat(a.rootCorrection2);
  const Vec negStepSize = splat(a.negStepSize), one = splat(1.0f);
  const bool fromEnd = a.oneMinusBeta1 >= 0.5f;  // torch.lerp measures from the nearer end
  for (int64_t i = begin; i < end; i += kLanes) {
    int64_t left = end - i;
    Vec p = loadUpTo(a.p + i, left) * decay;
    Vec g = loadUpTo(a.g + i, left) * gradScale;
    Vec m = loadUpTo(a.m + i, left);
    Vec v = loadUpTo(a.v + i, left) * beta2;
    m = fromEnd ? g - (g - m) * (one - oneMinusBeta1) : m + oneMinusBeta1 * (g - m);
    v = v + oneMinusBeta2 * g * g;
    Vec denominator = root(v) / correction + eps;
    p = p + negStepSize * m / denominator;
    storeUpTo(a.p + i, p, left);
    storeUpTo(a.m + i, m, left);
    storeUpTo(a.v + i, v, left);
  }
}

/// sum x^2: float within 1,024 elements, double across.
template <typename T>
double squaredNorm(const void* values, int64_t count) {
  constexpr int64_t kBlock = 1024;
  const T* x = static_cast<const T*>(values);
  double total = 0.0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int64_t end = begin + kBlock < count ? begin + kBlock : count;
    Vec sums[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
    int64_t i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes)
      for (int c = 0; c < 4; c++) {
        Vec value = load(x + i + c * kLanes);
        sums[c] = fma(value, value, sums[c]);
      }
    for (; i < end; i += kLanes) {
      Vec value = loadUpTo(x + i, end - i);
      sums[0] = fma(value, value, sums[0]);
    }
    total += sumLanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  return total;
}

template <typename T>
void scaleInPlace(void* values, int64_t count, float factor) {
  T* x = static_cast<T*>(values);
  Vec f = splat(factor);
  for (int64_t i = 0; i < count; i += kLanes)
    storeUpTo(x + i, loadUpTo(x + i, count - i) * f, count - i);
}
