// int8 weights of the tile products: rounded to bfloat16 as a dense weight is, in their order.

inline const char* rowAddress(const ByteTilesArgs& a, int64_t row, int64_t column) {
  return reinterpret_cast<const char*>(a.w.codes + row * a.columns + column);
}

/// 32 numbers.
inline __m512i bytesToBf16(const int8_t* codes, float absmax) {
  const Vec scale = splat(absmax), inverse = splat(kByteInverse);
  Vec low = loadBytes(codes) * scale * inverse, high = loadBytes(codes + 16) * scale * inverse;
  return (__m512i)_mm512_cvtne2ps_pbh(high.v, low.v);
}

inline void fillRow(const ByteTilesArgs& a, int64_t row, int64_t column, int64_t steps, bf16* to,
                    const char* next) {
  const int8_t* codes = a.w.codes + row * a.columns + column;
  for (int64_t s = 0; s < steps; s++) {
    if (s % 2 == 0) prefetch(next + s * 32);
    _mm512_store_si512(to + s * kTile, bytesToBf16(codes + s * 32, a.w.absmax[row]));
  }
}

/// Columns that are no whole run end with zeros.
inline void loadRun(const ByteTilesArgs& a, int64_t row, int64_t column, __m512i (&run)[1][4],
                    const char* next) {
  const int8_t* codes = a.w.codes + row * a.columns + column;
  for (int64_t e = 0; e < 4; e++) {
    if (e % 2 == 0) prefetch(next + e * 32);
    run[0][e] = column + 32 * e < a.columns ? bytesToBf16(codes + 32 * e, a.w.absmax[row])
                                            : _mm512_setzero_si512();
  }
}
