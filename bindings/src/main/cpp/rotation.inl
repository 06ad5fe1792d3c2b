// Rotary position embeddings: element i and element i + d/2 of a head turned by an angle of their token.

/// y[i] = x[i] cos[i] + x[i + d/2] sin[i], indices modulo d; turned back, sin is read half a head further on.
template <typename T>
void rotation(const RotationArgs& a, int64_t begin, int64_t end) {
  const int64_t half = a.size / 2;
  const int64_t first = a.backward ? half : 0;
  for (int64_t row = begin; row < end; row++) {
    const int64_t token = row % a.tokens, head = row / a.tokens % a.heads, batch = row / a.tokens / a.heads;
    const T* x = static_cast<const T*>(a.x.data) + batch * a.x.batch + head * a.x.head + token * a.x.token;
    T* y = const_cast<T*>(static_cast<const T*>(a.y.data)) + batch * a.y.batch + head * a.y.head + token * a.y.token;
    const T* cos = static_cast<const T*>(a.cos.data) + batch * a.cos.batch + token * a.cos.token;
    const T* sin = static_cast<const T*>(a.sin.data) + batch * a.sin.batch + token * a.sin.token;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t left = half - i;
      const Vec low = loadUpTo(x + i, left), high = loadUpTo(x + half + i, left);
      const Vec lowCos = loadUpTo(cos + i, left), highCos = loadUpTo(cos + half + i, left);
      storeUpTo(y + i, fma(high, loadUpTo(sin + first + i, left), asStored(x, low * lowCos)), left);
      storeUpTo(y + half + i, fma(low, loadUpTo(sin + half - first + i, left), asStored(x, high * highCos)), left);
    }
  }
}
