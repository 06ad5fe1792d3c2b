// Products of many float32 rows with a dense weight W (rows, columns): y = x W^T + bias and y = x W + bias.
//
// The vectors of 16 run along the rows of x in the first and along the columns of W in the second, so that W is
// read where it is, or copied once: packing it, as general products do, is a sixth of their time here. A sum of
// 6 x 64 numbers stays in registers for kWideSteps terms, whose panel of 64 stays in the first-level cache. Each
// result has one order of summation, whatever the number of threads.

constexpr int kWideRows = 6;             // rows of a sum
constexpr int64_t kWidePanel = 64;       // columns of a sum: 4 vectors
constexpr int64_t kWideSteps = 128;      // terms between two loads of a sum
constexpr int64_t kWideBlock = kWideUnit;  // rows of W of a unit

/// Rows and columns of a 16 x 16 matrix of 32-bit elements change places.
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 8; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
  }
}

/// c (R, 64), of which `columns` count, = or += a (R, steps) b (steps, 64).
template <int R>
inline void wideSum(const float* a, int64_t aRow, const float* b, float* c, int64_t cRow, int64_t columns,
                    int64_t steps, bool add) {
  Vec sum[R][4];
PEFTJAVA_UNROLL_8
  for (int r = 0; r < R; r++) {
PEFTJAVA_UNROLL_8
    for (int i = 0; i < 4; i++) sum[r][i] = splat(0.0f);
  }
  for (int64_t step = 0; step < steps; step++) {
    Vec column[4];
PEFTJAVA_UNROLL_8
    for (int i = 0; i < 4; i++) column[i] = load(b + step * kWidePanel + i * kLanes);
PEFTJAVA_UNROLL_8
    for (int r = 0; r < R; r++) {
      Vec factor = splat(a[r * aRow + step]);
PEFTJAVA_UNROLL_8
      for (int i = 0; i < 4; i++) sum[r][i] = fma(factor, column[i], sum[r][i]);
    }
  }
PEFTJAVA_UNROLL_8
  for (int r = 0; r < R; r++) {
PEFTJAVA_UNROLL_8
    for (int i = 0; i < 4; i++) {
      int64_t left = columns - i * kLanes;
      if (left <= 0) break;
      float* to = c + r * cRow + i * kLanes;
      storeUpTo(to, add ? loadUpTo(to, left) + sum[r][i] : sum[r][i], left);
    }
  }
}

/// The same for up to kWideRows rows.
inline void wideSums(int64_t rows, const float* a, int64_t aRow, const float* b, float* c, int64_t cRow,
                     int64_t columns, int64_t steps, bool add) {
  switch (rows) {
    case 1: return wideSum<1>(a, aRow, b, c, cRow, columns, steps, add);
    case 2: return wideSum<2>(a, aRow, b, c, cRow, columns, steps, add);
    case 3: return wideSum<3>(a, aRow, b, c, cRow, columns, steps, add);
    case 4: return wideSum<4>(a, aRow, b, c, cRow, columns, steps, add);
    case 5: return wideSum<5>(a, aRow, b, c, cRow, columns, steps, add);
    default: return wideSum<6>(a, aRow, b, c, cRow, columns, steps, add);
  }
}

inline int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/// Up to 16 rows of up to 16 numbers, the rest 0, turned around.
inline void loadTurned(const float* from, int64_t stride, int64_t rows, int64_t columns, __m512i (&r)[16]) {
  for (int64_t i = 0; i < 16; i++)
    r[i] = i < rows && columns > 0 ? _mm512_castps_si512(loadUpTo(from + i * stride, columns).v)
                                   : _mm512_setzero_si512();
  transpose16(r);
}

/// x turned around: panels of 64 of its rows, in pieces of kWideSteps columns. Index space: panels.
inline void widePack(const WideProductArgs& a, int64_t begin, int64_t end) {
  const int64_t panels = (a.m + kWidePanel - 1) / kWidePanel;
  for (int64_t step = 0; step < a.columns; step += kWideSteps) {
    const int64_t steps = lesser(kWideSteps, a.columns - step);
    for (int64_t panel = begin; panel < end; panel++) {
      float* to = a.packed + (step * panels + panel * steps) * kWidePanel;
      for (int64_t s = 0; s < steps; s += 16)
        for (int64_t group = 0; group < kWidePanel; group += 16) {
          const int64_t row = panel * kWidePanel + group;
          __m512i turned[16];
          loadTurned(a.x + row * a.columns + step + s, a.columns, a.m - row, steps - s, turned);
          for (int64_t i = 0; i < lesser(16, steps - s); i++)
            _mm512_storeu_si512(to + (s + i) * kWidePanel + group, turned[i]);
        }
    }
  }
}

/// Columns [n, n + count) of y from the sums, a row of which is a column of y.
inline void writeTurned(const WideProductArgs& a, int64_t n, int64_t count, const float* sums, int64_t sumRow) {
  for (int64_t r = 0; r < count; r += kLanes) {
    const int64_t left = count - r;
    Vec shift = a.bias == nullptr ? splat(0.0f) : loadUpTo(a.bias + n + r, left);
    for (int64_t m = 0; m < a.m; m += 16) {
      __m512i turned[16];
      loadTurned(sums + r * sumRow + m, sumRow, left, 16, turned);
      for (int64_t i = 0; i < lesser(16, a.m - m); i++) {
        storeUpTo(a.y + (m + i) * a.rows + n + r, Vec{_mm512_castsi512_ps(turned[i])} + shift, left);
      }
    }
  }
}

/// y = x W^T + bias from the packed x. Index space: blocks of kWideBlock rows of W.
inline void wideForward(const WideProductArgs& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> buffer;
  const int64_t panels = (a.m + kWidePanel - 1) / kWidePanel, sumRow = panels * kWidePanel;
  float* sums = alignedTo64<float>(buffer, kWideBlock * sumRow);
  for (int64_t block = begin; block < end; block++) {
    const int64_t n = block * kWideBlock, count = lesser(kWideBlock, a.rows - n);
    for (int64_t step = 0; step < a.columns; step += kWideSteps) {
      const int64_t steps = lesser(kWideSteps, a.columns - step);
      for (int64_t panel = 0; panel < panels; panel++) {
        const float* x = a.packed + (step * panels + panel * steps) * kWidePanel;
        for (int64_t r = 0; r < count; r += kWideRows) {
          const float* w = a.w + (n + r) * a.columns + step;
          // what the next piece will read of one of these rows
          const char* next = reinterpret_cast<const char*>(w + (panel % kWideRows) * a.columns + kWideSteps);
          for (int64_t line = 0; line < kWideSteps * 4; line += 64) prefetch(next + line);
          wideSums(lesser(kWideRows, count - r), w, a.columns, x, sums + r * sumRow + panel * kWidePanel, sumRow,
                   kWidePanel, steps, step != 0);
        }
      }
    }
    writeTurned(a, n, count, sums, sumRow);
  }
}

/// y = x W + bias. Index space: panels of 64 columns of W.
inline void wideBackward(const WideProductArgs& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> buffer;
  float* weights = alignedTo64<float>(buffer, kWideSteps * kWidePanel);
  for (int64_t step = 0; step < a.rows; step += kWideSteps) {
    const int64_t steps = lesser(kWideSteps, a.rows - step);
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t column = panel * kWidePanel, columns = lesser(kWidePanel, a.columns - column);
      for (int64_t s = 0; s < steps; s++)
        for (int64_t i = 0; i < kWidePanel; i += kLanes)
          store(weights + s * kWidePanel + i, i < columns
                    ? loadUpTo(a.w + (step + s) * a.columns + column + i, columns - i) : splat(0.0f));
      if (step == 0 && a.bias != nullptr)
        for (int64_t m = 0; m < a.m; m++)
          for (int64_t i = 0; i < columns; i += kLanes)
            storeUpTo(a.y + m * a.columns + column + i, loadUpTo(a.bias + column + i, columns - i), columns - i);
      const bool add = step != 0 || a.bias != nullptr;
      for (int64_t m = 0; m < a.m; m += kWideRows)
        wideSums(lesser(kWideRows, a.m - m), a.x + m * a.rows + step, a.rows, weights,
                 a.y + m * a.columns + column, a.columns, columns, steps, add);
    }
  }
}
