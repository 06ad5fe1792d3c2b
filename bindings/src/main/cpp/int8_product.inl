// Products of int8 matrices on ByteDot, exact in 32 bits, with the scales applied at the end.

template <typename T, int M, int R>
inline void bytesRows(const BytesProductArgs& a, int64_t m0, int64_t row) {
  const int8_t* x = a.x + m0 * a.k;
  const int8_t* w = a.w + row * a.k;
  ByteDot::Sum sum[R][M], shift[R];
  for (int r = 0; r < R; r++) {
    shift[r] = ByteDot::zero();
    for (int m = 0; m < M; m++) sum[r][m] = ByteDot::zero();
  }
  auto step = [&](const ByteDot::Bytes(&ws)[R], int m, ByteDot::Bytes xs) {
    for (int r = 0; r < R; r++) sum[r][m] = ByteDot::add(sum[r][m], ws[r], xs);
  };
  int64_t k = 0;
  for (; k + ByteDot::kBytes <= a.k; k += ByteDot::kBytes) {
    ByteDot::Bytes ws[R];
    for (int r = 0; r < R; r++) {
      ws[r] = ByteDot::load(w + r * a.k + k);
      if (M == 1) prefetch(reinterpret_cast<const char*>(w + (R + r) * a.k + k));
      shift[r] = ByteDot::addShift(shift[r], ws[r]);
    }
    for (int m = 0; m < M; m++) step(ws, m, ByteDot::load(x + m * a.k + k));
  }
  if (k < a.k) {
    ByteDot::Bytes ws[R];
    for (int r = 0; r < R; r++) {
      ws[r] = ByteDot::loadPart(w + r * a.k + k, static_cast<int>(a.k - k));
      shift[r] = ByteDot::addShift(shift[r], ws[r]);
    }
    for (int m = 0; m < M; m++)
      step(ws, m, ByteDot::loadPart(x + m * a.k + k, static_cast<int>(a.k - k)));
  }
  for (int r = 0; r < R; r++) {
    int64_t n = row + r;
    int32_t by = ByteDot::kShifted ? 128 * ByteDot::total(shift[r]) : 0;
    for (int m = 0; m < M; m++) {
      const uint32_t exact = static_cast<uint32_t>(ByteDot::total(sum[r][m])) - static_cast<uint32_t>(by);
      float value = static_cast<float>(static_cast<int32_t>(exact));
      value = value * (a.xAbsmax[m0 + m] * a.wAbsmax[n]) * kByteInverseSquared;
      if (a.bias != nullptr) value = value + a.bias[n];
      put(static_cast<T*>(a.y) + (m0 + m) * a.n + n, value);
    }
  }
}

template <typename T, int M>
inline void bytesRange(const BytesProductArgs& a, int64_t m0, int64_t begin, int64_t end) {
  constexpr int R = rowsAtOnce(M);
  int64_t row = begin;
  for (; row + R <= end; row += R) bytesRows<T, M, R>(a, m0, row);
  for (; row < end; row++) bytesRows<T, M, 1>(a, m0, row);
}

/// Index space: rows of w. A few rows of w stay in a cache while all of x passes.
template <typename T>
void bytesProduct(const BytesProductArgs& a, int64_t begin, int64_t end) {
  const int64_t block = a.m <= 8 ? end - begin : 64;
  for (int64_t first = begin; first < end; first += block) {
    const int64_t last = first + block < end ? first + block : end;
    int64_t m = 0;
    for (; m + 8 <= a.m; m += 8) bytesRange<T, 8>(a, m, first, last);
    switch (a.m - m) {
      case 1: bytesRange<T, 1>(a, m, first, last); break;
      case 2: bytesRange<T, 2>(a, m, first, last); break;
      case 3: bytesRange<T, 3>(a, m, first, last); break;
      case 4: bytesRange<T, 4>(a, m, first, last); break;
      case 5: bytesRange<T, 5>(a, m, first, last); break;
      case 6: bytesRange<T, 6>(a, m, first, last); break;
      case 7: bytesRange<T, 7>(a, m, first, last); break;
      default: break;
    }
  }
}
