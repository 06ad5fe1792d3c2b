// Products with matrices of a small rank: what LoRA adds to a layer, and its gradients.
//
// Rows are taken kLowRankRows at a time: widened and masked into a buffer that stays in the cache, down to
// the ranks, and up again while the small product is at hand. Sums are in float32; every output has
// one order of summation, whatever its neighbours.

constexpr int kLowRankRows = LowRankArgs::kLowRankRows;
constexpr int kUpVectors = kLanes == 16 ? 2 : 1;

/// The tile's rows as floats; rows past the end are 0. x itself where nothing is to be done.
template <typename X>
inline const float* lowRankTile(const LowRankArgs& a, int64_t row, int64_t rows, float* buffer) {
  const X* x = static_cast<const X*>(a.x) + row * a.d;
  if (std::is_same<X, float>::value && rows == kLowRankRows && a.maskX == nullptr)
    return reinterpret_cast<const float*>(x);
  const int64_t count = rows * a.d;
  if (a.maskX != nullptr) {
    dropoutSpan<X, float, false>(*a.maskX, x, buffer, row * a.d, row * a.d + count);
  } else {
    for (int64_t i = 0; i < count; i += kLanes)
      storeUpTo(buffer + i, loadUpTo(x + i, count - i), count - i);
  }
  for (int64_t i = count; i < kLowRankRows * a.d; i += kLanes)
    storeUpTo(buffer + i, splat(0.0f), kLowRankRows * a.d - i);
  return buffer;
}

/// low (kLowRankRows, G kLanes of r) = scale x down^T for G groups of ranks from `rank` on.
template <int G>
inline void lowRankDownTile(const LowRankArgs& a, const float* x, int64_t rank, float* low) {
  const float* down = a.down + rank * a.d;
  const int64_t group = a.d * kLanes;
  Vec sum[kLowRankRows][G];
  for (int m = 0; m < kLowRankRows; m++)
    for (int g = 0; g < G; g++) sum[m][g] = splat(0.0f);
  for (int64_t k = 0; k < a.d; k++) {
    Vec w[G];
    for (int g = 0; g < G; g++) w[g] = load(down + g * group + k * kLanes);
    PEFTJAVA_UNROLL_8
    for (int m = 0; m < kLowRankRows; m++) {
      Vec factor = splat(x[m * a.d + k]);
      for (int g = 0; g < G; g++) sum[m][g] = fma(w[g], factor, sum[m][g]);
    }
  }
  for (int m = 0; m < kLowRankRows; m++)
    for (int g = 0; g < G; g++) {
      int64_t from = rank + g * kLanes;
      if (from < a.r)
        storeUpTo(low + m * a.r + from, sum[m][g] * splat(a.scale), a.r - from);
    }
}

/// Columns [column, column + C kLanes) of low up, of which `left` are there.
template <typename Y, int C>
inline void lowRankUpTile(const LowRankArgs& a, const float* low, int64_t rows, Y* y, bool add,
                          int64_t column, int64_t left) {
  Vec sum[kLowRankRows][C];
  for (int m = 0; m < kLowRankRows; m++)
    for (int c = 0; c < C; c++) sum[m][c] = splat(0.0f);
  for (int64_t j = 0; j < a.r; j++) {
    const float* up = a.up + j * a.o + column;
    Vec w[C];
    for (int c = 0; c < C; c++)
      w[c] = left >= C * kLanes ? load(up + c * kLanes) : loadUpTo(up + c * kLanes, left - c * kLanes);
    PEFTJAVA_UNROLL_8
    for (int m = 0; m < kLowRankRows; m++) {
      Vec factor = splat(low[m * a.r + j]);
      for (int c = 0; c < C; c++) sum[m][c] = fma(w[c], factor, sum[m][c]);
    }
  }
  PEFTJAVA_UNROLL_8
  for (int m = 0; m < kLowRankRows; m++) {
    if (m >= rows) break;
    for (int c = 0; c < C; c++) {
      Y* to = y + m * a.o + column + c * kLanes;
      int64_t width = left - c * kLanes;
      storeUpTo(to, add ? loadUpTo(to, width) + sum[m][c] : sum[m][c], width);
    }
  }
}

template <typename Y>
inline void lowRankUpRows(const LowRankArgs& a, const float* low, int64_t rows, Y* y, bool add) {
  int64_t column = 0;
  for (; column + kUpVectors * kLanes <= a.o; column += kUpVectors * kLanes)
    lowRankUpTile<Y, kUpVectors>(a, low, rows, y, add, column, kUpVectors * kLanes);
  for (; column < a.o; column += kLanes)
    lowRankUpTile<Y, 1>(a, low, rows, y, add, column, a.o - column);
}

template <typename X, typename Y>
void lowRank(const LowRankArgs& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> kept;
  float* buffer = alignedTo64<float>(kept, kLowRankRows * (a.d + a.o + a.r));
  float* wide = buffer + kLowRankRows * a.d;
  float* last = wide + kLowRankRows * a.o;
  for (int64_t tile = begin; tile < end; tile++) {
    int64_t row = tile * kLowRankRows, rows = a.n - row < kLowRankRows ? a.n - row : kLowRankRows;
    const float* x = lowRankTile<X>(a, row, rows, buffer);
    float* low = rows == kLowRankRows ? a.low + row * a.r : last;
    int64_t rank = 0;
    for (; rank + kLanes < a.r; rank += 2 * kLanes) lowRankDownTile<2>(a, x, rank, low);
    for (; rank < a.r; rank += kLanes) lowRankDownTile<1>(a, x, rank, low);
    if (low == last) std::memcpy(a.low + row * a.r, last, sizeof(float) * rows * a.r);
    Y* y = static_cast<Y*>(a.y) + row * a.o;
    if (a.y == nullptr) continue;
    if (a.maskY == nullptr) {
      lowRankUpRows<Y>(a, low, rows, y, a.add);
    } else {
      lowRankUpRows<float>(a, low, rows, wide, false);
      dropoutSpan<float, Y, false>(*a.maskY, wide, y, row * a.o, (row + rows) * a.o);
    }
  }
}

/// R ranks from `rank` on with the kColumns columns of some rows of x: gw += low^T x.
template <int R>
inline void lowRankGradRows(const float* low, int64_t r, int64_t rank, const float* x, int64_t rows,
                            float* gw) {
  constexpr int64_t kColumns = LowRankGradArgs::kColumns;
  for (int64_t column = 0; column < kColumns; column += 2 * kLanes) {
    Vec sum[R][2];
    for (int j = 0; j < R; j++)
      for (int c = 0; c < 2; c++) sum[j][c] = load(gw + (rank + j) * kColumns + column + c * kLanes);
    for (int64_t row = 0; row < rows; row++) {
      Vec x1 = load(x + row * kColumns + column), x2 = load(x + row * kColumns + column + kLanes);
      PEFTJAVA_UNROLL_8
      for (int j = 0; j < R; j++) {
        Vec factor = splat(low[row * r + rank + j]);
        sum[j][0] = fma(x1, factor, sum[j][0]);
        sum[j][1] = fma(x2, factor, sum[j][1]);
      }
    }
    for (int j = 0; j < R; j++)
      for (int c = 0; c < 2; c++) store(gw + (rank + j) * kColumns + column + c * kLanes, sum[j][c]);
  }
}

template <typename X>
void lowRankGrad(const LowRankGradArgs& a, int64_t begin, int64_t end) {
  constexpr int64_t kColumns = LowRankGradArgs::kColumns, kRows = 128;
  constexpr int R = kLanes == 16 ? 8 : 4;
  static thread_local std::vector<char> kept;
  float* x = alignedTo64<float>(kept, kColumns * (kRows + a.r));
  float* sums = x + kColumns * kRows;
  for (int64_t block = begin; block < end; block++) {
    const int64_t column = block * kColumns;
    const int64_t width = a.d - column < kColumns ? a.d - column : kColumns;
    std::memset(sums, 0, sizeof(float) * kColumns * a.r);
    std::memset(x, 0, sizeof(float) * kColumns * kRows);
    for (int64_t first = 0; first < a.n; first += kRows) {
      const int64_t rows = a.n - first < kRows ? a.n - first : kRows;
      for (int64_t row = 0; row < rows; row++) {
        const int64_t place = (first + row) * a.d + column;
        const X* from = static_cast<const X*>(a.x) + place;
        float* to = x + row * kColumns;
        if (a.maskX != nullptr) {
          dropoutSpan<X, float, false>(*a.maskX, from, to, place, place + width);
        } else {
          for (int64_t i = 0; i < width; i += kLanes)
            storeUpTo(to + i, loadUpTo(from + i, width - i), width - i);
        }
      }
      const float* low = a.low + first * a.r;
      int64_t rank = 0;
      for (; rank + R <= a.r; rank += R) lowRankGradRows<R>(low, a.r, rank, x, rows, sums);
      for (; rank < a.r; rank++) lowRankGradRows<1>(low, a.r, rank, x, rows, sums);
    }
    for (int64_t j = 0; j < a.r; j++)
      for (int64_t i = 0; i < width; i++)
        a.gw[a.transposed ? (column + i) * a.r + j : j * a.d + column + i] = sums[j * kColumns + i];
  }
}

/// R rows of a weight times one row of x.
template <typename X, int R>
inline void dots(const float* w, int64_t stride, const X* x, int64_t k, float* result) {
  Vec sum[R];
  for (int r = 0; r < R; r++) sum[r] = splat(0.0f);
  for (int64_t i = 0; i < k; i += kLanes) {
    Vec xs = loadUpTo(x + i, k - i);
    for (int r = 0; r < R; r++) sum[r] = fma(loadUpTo(w + r * stride + i, k - i), xs, sum[r]);
  }
  for (int r = 0; r < R; r++) result[r] = sumLanes(sum[r]);
}

template <typename X>
void lowRankDown(const LowRankRunsArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < a.count; i++) {
    const LowRankRun& run = a.runs[i];
    const int64_t first = begin - run.ranksBefore > 0 ? begin - run.ranksBefore : 0;
    const int64_t last = end - run.ranksBefore < run.r ? end - run.ranksBefore : run.r;
    for (int64_t row = 0; row < run.rows; row++) {
      const X* x = static_cast<const X*>(a.x) + (run.row + row) * a.d;
      float* low = run.low + row * run.r;
      int64_t j = first;
      for (; j + 4 <= last; j += 4) dots<X, 4>(run.a + j * a.d, a.d, x, a.d, low + j);
      for (; j < last; j++) dots<X, 1>(run.a + j * a.d, a.d, x, a.d, low + j);
      for (j = first; j < last; j++) low[j] *= run.scale;
    }
  }
}

template <typename Y>
void lowRankUp(const LowRankRunsArgs& a, int64_t begin, int64_t end) {
  for (int64_t place = begin; place < end;) {
    const LowRankRun& run = a.runs[place / a.o];
    const int64_t first = place % a.o;
    const int64_t last = first + end - place < a.o ? first + end - place : a.o;
    for (int64_t row = 0; row < run.rows; row++) {
      Y* y = static_cast<Y*>(a.y) + (run.row + row) * a.o;
      const float* low = run.low + row * run.r;
      float change[4];
      int64_t i = first;
      for (; i + 4 <= last; i += 4) {
        dots<float, 4>(run.b + i * run.r, run.r, low, run.r, change);
        for (int c = 0; c < 4; c++) put(y + i + c, toFloat(y[i + c]) + change[c]);
      }
      for (; i < last; i++) {
        dots<float, 1>(run.b + i * run.r, run.r, low, run.r, change);
        put(y + i, toFloat(y[i]) + change[0]);
      }
    }
    place += last - first;
  }
}
