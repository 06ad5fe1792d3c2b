// Cross entropy of rows of logits, and its gradient in place of them.
//
// One pass reads a row in blocks that stay in the first-level cache: the block's maximum, then the
// sum of its exponentials, rescaled whenever the running maximum grows. Sums are float inside a
// block (at most kBlock / kLanes additions a lane) and double across blocks.

/// exp(x) for x <= 0, relative error below 1.2e-7; 0 below -87.33 (the smallest normal float); NaN
/// stays. Range reduction by a two-part ln 2, then a minimax polynomial of degree 6 on [-0.35, 0.35].
inline Vec expNonPositive(Vec x) {
  Vec power = nearestInteger(x * splat(1.44269504f));
  Vec r = fma(power, splat(-0.693359375f), x);
  r = fma(power, splat(2.12194440e-4f), r);
  Vec q = splat(1.9875691500e-4f);
  q = fma(q, r, splat(1.3981999507e-3f));
  q = fma(q, r, splat(8.3334519073e-3f));
  q = fma(q, r, splat(4.1665795894e-2f));
  q = fma(q, r, splat(1.6666665459e-1f));
  q = fma(q, r, splat(5.0000001201e-1f));
  Vec value = fma(q, r * r, r) + splat(1.0f);
  // Below the bound power and r are out of range, and the result is replaced.
  return zeroBelow(x, splat(-87.33654f), scaleByPowerOfTwo(value, power));
}

struct RowSum {
  float maximum;  // of the elements that are not NaN
  double sum;     // of exp(z - maximum); NaN if any element is NaN or +inf
};

template <typename T>
inline RowSum sumOfExponentials(const T* z, int64_t count) {
  constexpr int64_t kBlock = 2048;
  const float minusInfinity = -std::numeric_limits<float>::infinity();
  RowSum row = {minusInfinity, 0.0};
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int64_t end = begin + kBlock < count ? begin + kBlock : count;
    Vec tops[2] = {splat(minusInfinity), splat(minusInfinity)};
    int64_t i = begin;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      tops[0] = larger(load(z + i), tops[0]);
      tops[1] = larger(load(z + i + kLanes), tops[1]);
    }
    float top = largestLane(larger(tops[0], tops[1]));
    for (; i < end; i++) top = toFloat(z[i]) > top ? toFloat(z[i]) : top;
    if (top > row.maximum) {
      if (row.sum != 0.0) row.sum *= std::exp(static_cast<double>(row.maximum) - top);
      row.maximum = top;
    }
    // With nothing but -inf so far, exp(-inf - 0) = 0 is right and -inf - -inf would not be.
    Vec shift = splat(row.maximum == minusInfinity ? 0.0f : row.maximum);
    Vec sums[2] = {splat(0.0f), splat(0.0f)};
    for (i = begin; i + 2 * kLanes <= end; i += 2 * kLanes) {
      sums[0] = sums[0] + expNonPositive(load(z + i) - shift);
      sums[1] = sums[1] + expNonPositive(load(z + i + kLanes) - shift);
    }
    for (; i < end; i += kLanes) {
      Vec terms = expNonPositive(loadUpTo(z + i, end - i) - shift);
      sums[0] = sums[0] + keepUpTo(terms, end - i);
    }
    row.sum += sumLanes(sums[0] + sums[1]);
  }
  return row;
}

template <typename T>
inline void softmaxInPlace(T* z, int64_t count, float maximum, float factor) {
  Vec shift = splat(maximum), f = splat(factor);
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    Vec first = expNonPositive(load(z + i) - shift) * f;
    Vec second = expNonPositive(load(z + i + kLanes) - shift) * f;
    store(z + i, first);
    store(z + i + kLanes, second);
  }
  for (; i < count; i += kLanes)
    storeUpTo(z + i, expNonPositive(loadUpTo(z + i, count - i) - shift) * f, count - i);
}

template <typename T>
void crossEntropy(const CrossEntropyArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    T* z = static_cast<T*>(a.logits) + row * a.stride;
    int64_t target = a.targets[row];
    if (target == a.ignoreIndex) {
      a.rowLoss[row] = 0.0;
      if (a.gradient) std::memset(z, 0, sizeof(T) * static_cast<size_t>(a.vocabulary));
      continue;
    }
    RowSum sum = sumOfExponentials(z, a.vocabulary);
    // maximum is -inf only when no element is finite or +inf: the loss is then NaN.
    double loss = std::log(sum.sum) + (static_cast<double>(sum.maximum) - toFloat(z[target]));
    a.rowLoss[row] = loss;
    if (!a.gradient) continue;
    softmaxInPlace(z, a.vocabulary, sum.maximum, static_cast<float>(a.scale / sum.sum));
    put(z + target, static_cast<float>((std::exp(-loss) - 1.0) * a.scale));
  }
}
