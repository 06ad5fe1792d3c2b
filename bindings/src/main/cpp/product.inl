// y[m, n] = sum_k x[m, k] w[n, k] + bias[n] for a few rows of x: the decode-time matrix product.
//
// It is bound by reading w once, so several rows of w are taken together: each load of x serves
// them all. Rows shorter than a page then look like jumps to the hardware's prefetcher, which loses
// up to half of the bandwidth; for those, the next rows are asked for ahead. Every output has one
// accumulator and one order of summation, whatever its neighbours.

template <typename T, int M, int R>
inline void productRows(const ProductArgs& a, int64_t row) {
  const T* x = static_cast<const T*>(a.x);
  const T* w = static_cast<const T*>(a.w) + row * a.wStride;
  const T* bias = static_cast<const T*>(a.bias);
  T* y = static_cast<T*>(a.y) + row;
  Vec sum[R][M];
  for (int r = 0; r < R; r++)
    for (int m = 0; m < M; m++) sum[r][m] = splat(0.0f);
  const char* ahead = reinterpret_cast<const char*>(w + R * a.wStride);
  const bool shortRows = a.wStride * static_cast<int64_t>(sizeof(T)) < 4096;
  int64_t k = 0;
  for (; k + 2 * kLanes <= a.k; k += 2 * kLanes) {
    Vec first[R], second[R];
    if (shortRows) {
      constexpr int kStep = R * 2 * kLanes * static_cast<int>(sizeof(T));
      for (int line = 0; line < kStep; line += 64) prefetch(ahead + line);
      ahead += kStep;
    }
    for (int r = 0; r < R; r++) loadPair(w + r * a.wStride + k, first[r], second[r]);
    for (int m = 0; m < M; m++) {
      Vec x1, x2;
      loadPair(x + m * a.xStride + k, x1, x2);
      for (int r = 0; r < R; r++) {
        sum[r][m] = fma(first[r], x1, sum[r][m]);
        sum[r][m] = fma(second[r], x2, sum[r][m]);
      }
    }
  }
  for (; k < a.k; k += kLanes) {
    for (int m = 0; m < M; m++) {
      Vec xs = loadUpTo(x + m * a.xStride + k, a.k - k);
      for (int r = 0; r < R; r++)
        sum[r][m] = fma(loadUpTo(w + r * a.wStride + k, a.k - k), xs, sum[r][m]);
    }
  }
  for (int r = 0; r < R; r++) {
    float shift = bias == nullptr ? 0.0f : toFloat(bias[row + r]);
    for (int m = 0; m < M; m++) put(y + m * a.yStride + r, sumLanes(sum[r][m]) + shift);
  }
}

template <typename T, int M>
inline void productRange(const ProductArgs& a, int64_t begin, int64_t end) {
  constexpr int R = rowsAtOnce(M);
  int64_t row = begin;
  for (; row + R <= end; row += R) productRows<T, M, R>(a, row);
  for (; row < end; row++) productRows<T, M, 1>(a, row);
}

template <typename T>
void product(const ProductArgs& a, int64_t begin, int64_t end) {
  switch (a.m) {
    case 1: return productRange<T, 1>(a, begin, end);
    case 2: return productRange<T, 2>(a, begin, end);
    case 3: return productRange<T, 3>(a, begin, end);
    case 4: return productRange<T, 4>(a, begin, end);
    case 5: return productRange<T, 5>(a, begin, end);
    case 6: return productRange<T, 6>(a, begin, end);
    case 7: return productRange<T, 7>(a, begin, end);
    default: return productRange<T, 8>(a, begin, end);
  }
}

/// Adds R rows of a weight that is stored as (k, n), from row k on, to the sums of M rows of x.
template <typename T, int M, int R>
inline void addWeightRows(const ProductArgs& a, int64_t k, int64_t column, int64_t width, float* sums, int64_t stride) {
  const T* x = static_cast<const T*>(a.x) + k;
  const T* w = static_cast<const T*>(a.w) + k * a.wStride + column;
  float factors[R * M];
  for (int r = 0; r < R; r++)
    for (int m = 0; m < M; m++) factors[r * M + m] = toFloat(x[m * a.xStride + r]);
  const char* ahead = reinterpret_cast<const char*>(w + 8 * a.wStride);
  for (int64_t c = 0; c < width; c += kLanes) {
    Vec weights[R];
    for (int r = 0; r < R; r++) prefetch(ahead + (r * a.wStride + c) * static_cast<int64_t>(sizeof(T)));
    for (int r = 0; r < R; r++) weights[r] = loadUpTo(w + r * a.wStride + c, width - c);
    for (int m = 0; m < M; m++) {
      float* at = sums + m * stride + c;
      Vec sum = load(at);
      for (int r = 0; r < R; r++) sum = fma(weights[r], splat(factors[r * M + m]), sum);
      store(at, sum);
    }
  }
}

/// Reads the weight by rows, as far as 32 kB of sums reach: by columns, each row would be a jump into another page, for whose
/// address and line the core waits.
template <typename T, int M>
inline void transposedRange(const ProductArgs& a, int64_t begin, int64_t end) {
  constexpr int64_t kColumns = 8192 / M / kLanes * kLanes;
  constexpr int kRows = 4;
  alignas(64) float sums[M * kColumns];
  const T* bias = static_cast<const T*>(a.bias);
  for (int64_t column = begin; column < end; column += kColumns) {
    int64_t width = end - column < kColumns ? end - column : kColumns;
    for (int m = 0; m < M; m++)
      for (int64_t c = 0; c < width; c += kLanes) store(sums + m * kColumns + c, splat(0.0f));
    int64_t k = 0;
    for (; k + kRows <= a.k; k += kRows) addWeightRows<T, M, kRows>(a, k, column, width, sums, kColumns);
    for (; k < a.k; k++) addWeightRows<T, M, 1>(a, k, column, width, sums, kColumns);
    for (int64_t c = 0; c < width; c += kLanes) {
      Vec shift = bias == nullptr ? splat(0.0f) : loadUpTo(bias + column + c, width - c);
      for (int m = 0; m < M; m++)
        storeUpTo(static_cast<T*>(a.y) + m * a.yStride + column + c, load(sums + m * kColumns + c) + shift, width - c);
    }
  }
}

template <typename T>
void transposedProduct(const ProductArgs& a, int64_t begin, int64_t end) {
  switch (a.m) {
    case 1: return transposedRange<T, 1>(a, begin, end);
    case 2: return transposedRange<T, 2>(a, begin, end);
    case 3: return transposedRange<T, 3>(a, begin, end);
    case 4: return transposedRange<T, 4>(a, begin, end);
    case 5: return transposedRange<T, 5>(a, begin, end);
    case 6: return transposedRange<T, 6>(a, begin, end);
    case 7: return transposedRange<T, 7>(a, begin, end);
    default: return transposedRange<T, 8>(a, begin, end);
  }
}
