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

/// M rows of x with C vectors of columns, for a weight that is stored as (k, n).
template <typename T, int M, int C>
inline void productColumns(const ProductArgs& a, int64_t column, int64_t left) {
  constexpr int64_t kAhead = 8;  // rows: each is a jump that the hardware does not foresee
  const T* x = static_cast<const T*>(a.x);
  const T* w = static_cast<const T*>(a.w) + column;
  const T* bias = static_cast<const T*>(a.bias);
  Vec sum[M][C];
  for (int m = 0; m < M; m++)
    for (int c = 0; c < C; c++) sum[m][c] = splat(0.0f);
  for (int64_t k = 0; k < a.k; k++) {
    const T* row = w + k * a.wStride;
    const char* later = reinterpret_cast<const char*>(row + kAhead * a.wStride);
    for (int line = 0; line < C * kLanes * static_cast<int>(sizeof(T)); line += 64)
      prefetch(later + line);
    Vec weights[C];
    for (int c = 0; c < C; c++) weights[c] = loadUpTo(row + c * kLanes, left - c * kLanes);
    for (int m = 0; m < M; m++) {
      Vec factor = splat(toFloat(x[m * a.xStride + k]));
      for (int c = 0; c < C; c++) sum[m][c] = fma(weights[c], factor, sum[m][c]);
    }
  }
  for (int c = 0; c < C; c++) {
    int64_t from = column + c * kLanes, width = left - c * kLanes;
    Vec shift = bias == nullptr ? splat(0.0f) : loadUpTo(bias + from, width);
    for (int m = 0; m < M; m++)
      storeUpTo(static_cast<T*>(a.y) + m * a.yStride + from, sum[m][c] + shift, width);
  }
}

template <typename T, int M>
inline void transposedRange(const ProductArgs& a, int64_t begin, int64_t end) {
  constexpr int C = M <= 2 ? 8 : M <= 4 ? 4 : 2;
  int64_t column = begin;
  for (; column + C * kLanes <= end; column += C * kLanes)
    productColumns<T, M, C>(a, column, C * kLanes);
  for (; column < end; column += kLanes) productColumns<T, M, 1>(a, column, end - column);
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
