// Bias and ReLU in one pass, the ReLU gradient, and sums of two element types.

/// y = relu(y + bias); NaN stays NaN.
template <typename T, typename B>
void biasRelu(const BiasReluArgs& a, int64_t begin, int64_t end) {
  const B* bias = static_cast<const B*>(a.bias);
  const Vec zero = splat(0.0f);
  for (int64_t row = begin; row < end; row++) {
    T* y = static_cast<T*>(a.y) + row * a.stride;
    int64_t i = 0;
    for (; i + kLanes <= a.width; i += kLanes) {
      Vec v = load(y + i);
      if (bias != nullptr) v = v + load(bias + i);
      store(y + i, larger(zero, v));
    }
    if (i < a.width) {
      int part = static_cast<int>(a.width - i);
      Vec v = loadPart(y + i, part);
      if (bias != nullptr) v = v + loadPart(bias + i, part);
      storePart(y + i, larger(zero, v), part);
    }
  }
}

template <typename T>
void reluGrad(const ReluGradArgs& a, int64_t begin, int64_t end) {
  const T* g = static_cast<const T*>(a.g);
  const T* y = static_cast<const T*>(a.y);
  T* gx = static_cast<T*>(a.gx);
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store(gx + i, zeroUnlessPositive(load(y + i), load(g + i)));
  if (i < end) {
    int part = static_cast<int>(end - i);
    storePart(gx + i, zeroUnlessPositive(loadPart(y + i, part), loadPart(g + i, part)), part);
  }
}

template <typename X, typename Y>
void addScaled(const AddScaledArgs& a, int64_t begin, int64_t end) {
  const X* x = static_cast<const X*>(a.x);
  Y* y = static_cast<Y*>(a.y);
  Vec scale = splat(a.scale);
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) store(y + i, load(y + i) + scale * load(x + i));
  if (i < end) {
    int part = static_cast<int>(end - i);
    storePart(y + i, loadPart(y + i, part) + scale * loadPart(x + i, part), part);
  }
}
