// Bias and ReLU in one pass, the ReLU gradient, and sums of two element types.

/// y = relu(y + bias); NaN stays NaN.
template <typename T, typename B>
void biasRelu(const BiasReluArgs& a, int64_t begin, int64_t end) {
  const B* bias = static_cast<const B*>(a.bias);
  const Vec zero = splat(0.0f);
  for (int64_t row = begin; row < end; row++) {
    T* y = static_cast<T*>(a.y) + row * a.stride;
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t left = a.width - i;
      Vec v = loadUpTo(y + i, left);
      if (bias != nullptr) v = v + loadUpTo(bias + i, left);
      storeUpTo(y + i, larger(zero, v), left);
    }
  }
}

template <typename T>
void reluGrad(const ReluGradArgs& a, int64_t begin, int64_t end) {
  const T* g = static_cast<const T*>(a.g);
  const T* y = static_cast<const T*>(a.y);
  T* gx = static_cast<T*>(a.gx);
  for (int64_t i = begin; i < end; i += kLanes) {
    int64_t left = end - i;
    storeUpTo(gx + i, zeroUnlessPositive(loadUpTo(y + i, left), loadUpTo(g + i, left)), left);
  }
}
