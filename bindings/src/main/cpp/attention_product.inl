// The products inside attention: of rows of floats that stay in a cache.

constexpr int kAttendVectors = 4;                        // vectors of columns of a sum
constexpr int kAttendRows = kLanes >= 16 ? 6 : 3;        // rows of a sum: as many as there are registers for
constexpr int64_t kPanel = kAttendVectors * kLanes;      // columns of a panel of keys
static_assert(kQueryRows % kAttendRows == 0, "whole groups of rows are computed");

inline int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <int C>
inline void attendSum(const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t bStep,
                      float* c, int64_t cRow, int64_t k, bool add) {
  Vec sum[kAttendRows][C];
PEFTJAVA_UNROLL_8
  for (int m = 0; m < kAttendRows; m++) {
PEFTJAVA_UNROLL_8
    for (int i = 0; i < C; i++) sum[m][i] = splat(0.0f);
  }
  for (int64_t step = 0; step < k; step++) {
    Vec columns[C];
PEFTJAVA_UNROLL_8
    for (int i = 0; i < C; i++) columns[i] = load(b + step * bStep + i * kLanes);
PEFTJAVA_UNROLL_8
    for (int m = 0; m < kAttendRows; m++) {
      Vec factor = splat(a[m * aRow + step * aStep]);
PEFTJAVA_UNROLL_8
      for (int i = 0; i < C; i++) sum[m][i] = fma(factor, columns[i], sum[m][i]);
    }
  }
PEFTJAVA_UNROLL_8
  for (int m = 0; m < kAttendRows; m++) {
PEFTJAVA_UNROLL_8
    for (int i = 0; i < C; i++) {
      float* to = c + m * cRow + i * kLanes;
      store(to, add ? load(to) + sum[m][i] : sum[m][i]);
    }
  }
}

/// c (m, n) = or += a (m, k) b (k, n). Whole groups of kAttendRows rows are computed; n is a multiple of kLanes.
inline void attendProduct(const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t bStep,
                          float* c, int64_t cRow, int64_t m, int64_t n, int64_t k, bool add) {
  for (int64_t column = 0; column < n; column += kPanel) {
    const float* from = b + column;
    for (int64_t row = 0; row < m; row += kAttendRows) {
      const float* left = a + row * aRow;
      float* to = c + row * cRow + column;
      switch ((n - column) / kLanes) {
        case 1: attendSum<1>(left, aRow, aStep, from, bStep, to, cRow, k, add); break;
        case 2: attendSum<2>(left, aRow, aStep, from, bStep, to, cRow, k, add); break;
        case 3: attendSum<3>(left, aRow, aStep, from, bStep, to, cRow, k, add); break;
        default: attendSum<4>(left, aRow, aStep, from, bStep, to, cRow, k, add); break;
      }
    }
  }
}
