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

inline void packTile(const ByteTilesArgs& a, int64_t tile) {
  const bf16* x = static_cast<const bf16*>(a.x) + tile * 16 * a.xStride;
  const int64_t tiles = tilesFor(a.m), steps = a.columns / 32;
  for (int64_t step = 0; step < steps; step++) {
    __m512i pairs[16];
    for (int64_t row = 0; row < 16; row++)
      pairs[row] = tile * 16 + row < a.m ? _mm512_loadu_si512(x + row * a.xStride + step * 32)
                                         : _mm512_setzero_si512();
    transpose16(pairs);
    bf16* to = a.tiles + tileOffset(tile, tiles, step, steps);
    for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, pairs[i]);
  }
}

/// Columns that are no whole run end with zeros.
inline void loadRun(const ByteTilesArgs& a, int64_t row, int64_t column, __m512i (&run)[4],
                    const char* next) {
  const int8_t* codes = a.w.codes + row * a.columns + column;
  for (int64_t e = 0; e < 4; e++) {
    if (e % 2 == 0) prefetch(next + e * 32);
    run[e] = column + 32 * e < a.columns ? bytesToBf16(codes + 32 * e, a.w.absmax[row])
                                         : _mm512_setzero_si512();
  }
}

/// The gradient of x for a run of columns and a pair of tiles of rows: c has pairs of tiles of columns in the
/// order of loadRun, of which groups of 4 take turns.
inline void writeRun(const ByteTilesArgs& a, int64_t column, int64_t tile, const float* c) {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  bf16* y = static_cast<bf16*>(a.y) + tile * 16 * a.yStride + column;
  for (int64_t r = 0; r < 32 && tile * 16 + r < a.m; r++, y += a.yStride)
    for (int64_t e = 0; e < 4 && column + 32 * e < a.columns; e++) {
      const float* from = c + e * 1024 + r / 16 * 512 + r % 16 * 16;
      __m512 low = _mm512_load_ps(from), high = _mm512_load_ps(from + 256);
      storeUpTo32(y + 32 * e, Vec{_mm512_permutex2var_ps(low, first, high)},
                  Vec{_mm512_permutex2var_ps(low, second, high)}, 32);
    }
}
