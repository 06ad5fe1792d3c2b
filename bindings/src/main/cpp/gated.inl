// The product of a feed-forward block with a gate, silu(gate) up, and its gradient.

/// 1 / (1 + exp(-x)), by exp of what is not positive alone.
inline Vec sigmoid(Vec x) {
  Vec e = expNonPositive(splat(0.0f) - larger(x, splat(0.0f) - x));  // exp(-|x|)
  Vec ofPositive = splat(1.0f) / (splat(1.0f) + e);
  Vec ofNegative = e * ofPositive;
  return ofNegative + zeroUnlessPositive(x, ofPositive - ofNegative);
}

template <typename T>
void siluProduct(const GatedArgs& a, int64_t begin, int64_t end) {
  const T* gate = static_cast<const T*>(a.gate);
  const T* up = static_cast<const T*>(a.up);
  T* y = static_cast<T*>(a.y);
  for (int64_t i = begin; i < end; i += kLanes) {
    int64_t left = end - i;
    Vec g = loadUpTo(gate + i, left);
    storeUpTo(y + i, asStored(gate, g * sigmoid(g)) * loadUpTo(up + i, left), left);
  }
}

/// gup = gy silu(g), ggate = gy u silu'(g) with silu'(g) = s (1 + g (1 - s)), s = sigmoid(g).
template <typename T>
void siluProductGrad(const GatedGradArgs& a, int64_t begin, int64_t end) {
  const T* gy = static_cast<const T*>(a.gy);
  const T* gate = static_cast<const T*>(a.gate);
  const T* up = static_cast<const T*>(a.up);
  T* ggate = static_cast<T*>(a.ggate);
  T* gup = static_cast<T*>(a.gup);
  const Vec one = splat(1.0f);
  for (int64_t i = begin; i < end; i += kLanes) {
    int64_t left = end - i;
    Vec g = loadUpTo(gate + i, left), u = loadUpTo(up + i, left), outer = loadUpTo(gy + i, left);
    Vec s = sigmoid(g);
    storeUpTo(gup + i, outer * asStored(gate, g * s), left);
    storeUpTo(ggate + i, outer * u * s * (one + g * (one - s)), left);
  }
}
