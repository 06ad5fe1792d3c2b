// 4-bit weights of the tile products: rounded to bfloat16 as a dense weight is.
//
// A vector of words holds 4 codes a word, so a look-up gives every fourth element of a run of 128: x comes
// in that order, and results leave it at the end. The scale is in the table of the look-up: 16 numbers for
// each half of a run, rounded as the elements would be.

inline const char* rowAddress(const FourBitTilesArgs& a, int64_t row, int64_t column) {
  return reinterpret_cast<const char*>(a.w.packed + (row * a.columns + column) / 2);
}

/// 128 numbers, every fourth in one vector; their halves have the scales given.
inline void lookupTileRun(const uint8_t* packed, __m512 values, float scale0, float scale1,
                          __m512i (&run)[4]) {
  const __m512i low = _mm512_set1_epi16(15);
  const __m512i half = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(16), 1);
  __m512 one = _mm512_mul_ps(values, _mm512_set1_ps(scale0));
  __m512 two = _mm512_mul_ps(values, _mm512_set1_ps(scale1));
  __m512i table = (__m512i)_mm512_cvtne2ps_pbh(two, one);
  __m512i words = _mm512_loadu_si512(packed);
  auto look = [&](__m512i codes) {
    return _mm512_permutexvar_epi16(_mm512_ternarylogic_epi64(codes, low, half, 0xea), table);
  };
  run[0] = look(_mm512_srli_epi16(words, 4));
  run[1] = look(words);
  run[2] = look(_mm512_srli_epi16(words, 12));
  run[3] = look(_mm512_srli_epi16(words, 8));
}

/// Scales of `count` halves of runs, up to 2 kTileSteps / 4, from element `first` on.
inline void halfScales(const FourBitArray& w, int64_t first, int64_t count, float* scales) {
  const int64_t block = first >> 6;
  if (w.absmax8 != nullptr && w.absmax == nullptr && w.blockShift == 6 && count == 8 && (block & 255) <= 248) {
    __m256i codes =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w.absmax8 + block)));
    __m256 nested = _mm256_i32gather_ps(w.nestedValues, codes, 4);
    nested = _mm256_mul_ps(nested, _mm256_set1_ps(w.nestedAbsmax[block >> 8]));
    return _mm256_storeu_ps(scales, _mm256_add_ps(nested, _mm256_set1_ps(w.offset)));
  }
  for (int64_t i = 0; i < count; i++) scales[i] = scaleOf(w, (first + 64 * i) >> w.blockShift);
}

inline void fillRow(const FourBitTilesArgs& a, int64_t row, int64_t column, int64_t steps, bf16* to,
                    const char* next) {
  const int64_t first = row * a.columns + column;
  const uint8_t* packed = a.w.packed + first / 2;
  const __m512 values = _mm512_loadu_ps(a.w.values);
  float scales[kTileSteps / 2];
  halfScales(a.w, first, steps / 2, scales);
  for (int64_t s = 0; s < steps; s += 4, to += 4 * kTile) {
    __m512i run[4];
    prefetch(next + s * 16);
    lookupTileRun(packed + s * 16, values, scales[s / 2], scales[s / 2 + 1], run);
    for (int e = 0; e < 4; e++) _mm512_store_si512(to + e * kTile, run[e]);
  }
}

inline void loadRun(const FourBitTilesArgs& a, int64_t row, int64_t column, __m512i (&run)[1][4],
                    const char* next) {
  prefetch(next);
  const int64_t first = row * a.columns + column;
  float scales[2];
  halfScales(a.w, first, 2, scales);
  lookupTileRun(a.w.packed + first / 2, _mm512_loadu_ps(a.w.values), scales[0], scales[1], run[0]);
}

/// 16 rows of x in the order of the look-ups.
inline void packTile(const FourBitTilesArgs& a, int64_t tile) {
  const bf16* x = static_cast<const bf16*>(a.x);
  const int64_t tiles = tilesFor(a.m), steps = a.columns / 32;
  const __m512i low = _mm512_set1_epi32(0xffff);
  for (int64_t k = 0; k < a.columns; k += kTileRun) {
    __m512i pairs[4][16];
    for (int64_t row = 0; row < 16; row++) {
      int64_t m = tile * 16 + row;
      __m512i d[4];
      for (int i = 0; i < 4; i++)
        d[i] = m < a.m ? _mm512_loadu_si512(x + m * a.xStride + k + 32 * i)
                       : _mm512_setzero_si512();
      // Pairs of elements 4 i, 4 i + 1, ... of each group of 8, for i = 0 to 3.
      const __m512i from = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25,
                                             29);
      const __m512i next = _mm512_add_epi32(from, _mm512_set1_epi32(2));
      __m512i a01 = _mm512_permutex2var_epi32(d[0], from, d[1]);
      __m512i a23 = _mm512_permutex2var_epi32(d[2], from, d[3]);
      __m512i b01 = _mm512_permutex2var_epi32(d[0], next, d[1]);
      __m512i b23 = _mm512_permutex2var_epi32(d[2], next, d[3]);
      __m512i first = _mm512_shuffle_i64x2(a01, a23, 0x44);
      __m512i second = _mm512_shuffle_i64x2(a01, a23, 0xee);
      __m512i third = _mm512_shuffle_i64x2(b01, b23, 0x44);
      __m512i fourth = _mm512_shuffle_i64x2(b01, b23, 0xee);
      pairs[0][row] = _mm512_ternarylogic_epi32(low, first, _mm512_slli_epi32(third, 16), 0xca);
      pairs[1][row] = _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(first, 16), third, 0xca);
      pairs[2][row] = _mm512_ternarylogic_epi32(low, second, _mm512_slli_epi32(fourth, 16), 0xca);
      pairs[3][row] = _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(second, 16), fourth, 0xca);
    }
    for (int e = 0; e < 4; e++) {
      transpose16(pairs[e]);
      bf16* to = a.tiles + tileOffset<1>(tile, tiles, k / 32 + e, steps);
      for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, pairs[e][i]);
    }
  }
}

/// The gradient of x for a run of columns and a pair of tiles of rows: c has pairs of tiles of
/// columns in the order of loadRun.
inline void writeRun(const FourBitTilesArgs& a, int64_t column, int64_t tile,
                               const float* c) {
  bf16* y = static_cast<bf16*>(a.y);
  for (int64_t r = 0; r < 32 && tile * 16 + r < a.m; r++)
    for (int high = 0; high < 2; high++) {
      __m512i v[4], t[4];
      for (int e = 0; e < 4; e++)
        v[e] = _mm512_load_si512(c + e * 1024 + (r / 16 * 2 + high) * 256 + r % 16 * 16);
      t[0] = _mm512_unpacklo_epi32(v[0], v[1]);
      t[1] = _mm512_unpackhi_epi32(v[0], v[1]);
      t[2] = _mm512_unpacklo_epi32(v[2], v[3]);
      t[3] = _mm512_unpackhi_epi32(v[2], v[3]);
      v[0] = _mm512_unpacklo_epi64(t[0], t[2]);
      v[1] = _mm512_unpackhi_epi64(t[0], t[2]);
      v[2] = _mm512_unpacklo_epi64(t[1], t[3]);
      v[3] = _mm512_unpackhi_epi64(t[1], t[3]);
      t[0] = _mm512_shuffle_i32x4(v[0], v[1], 0x44);
      t[1] = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
      t[2] = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
      t[3] = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
      v[0] = _mm512_shuffle_i32x4(t[0], t[2], 0x88);
      v[1] = _mm512_shuffle_i32x4(t[0], t[2], 0xdd);
      v[2] = _mm512_shuffle_i32x4(t[1], t[3], 0x88);
      v[3] = _mm512_shuffle_i32x4(t[1], t[3], 0xdd);
      bf16* to = y + (tile * 16 + r) * a.yStride + column + 16 * high;
      for (int lane = 0; lane < 4; lane++)
        store(to + 32 * lane, Vec{_mm512_castsi512_ps(v[lane])});
    }
}

// For products of float32, numbers are in parts and in their order.

inline const char* rowAddress(const FourBitFloatTilesArgs& a, int64_t row, int64_t column) {
  return reinterpret_cast<const char*>(a.w.packed + (row * a.columns + column) / 2);
}

/// The 32 numbers from the element `first` on, which share a scale.
inline void lookupParts(const FourBitFloats& w, Table16 table, int64_t first, float scale, __m512i (&part)[3]) {
  const uint8_t* packed = w.packed + first / 2;
  const Vec factor = splat(scale);
  splitParts(lookup(table, nibbles(packed)) * factor, lookup(table, nibbles(packed + kLanes / 2)) * factor, w.unfit,
             part);
}

inline void fillRow(const FourBitFloatTilesArgs& a, int64_t row, int64_t column, int64_t steps, bf16* to,
                    const char* next) {
  const int64_t first = row * a.columns + column;
  const Table16 table = loadTable(a.w.values);
  float scales[stepsOf(3) / 2];
  halfScales(a.w, first, steps / 2, scales);
  for (int64_t s = 0; s < steps; s++) {
    __m512i part[3];
    if (s % 4 == 0) prefetch(next + s * 16);
    lookupParts(a.w, table, first + s * 32, scales[s / 2], part);
    for (int p = 0; p < 3; p++) _mm512_store_si512(to + (s * 3 + p) * kTile, part[p]);
  }
}

inline void loadRun(const FourBitFloatTilesArgs& a, int64_t row, int64_t column, __m512i (&run)[3][4],
                    const char* next) {
  prefetch(next);
  const int64_t first = row * a.columns + column;
  const Table16 table = loadTable(a.w.values);
  float scales[2];
  halfScales(a.w, first, 2, scales);
  for (int e = 0; e < 4; e++) {
    __m512i part[3];
    lookupParts(a.w, table, first + 32 * e, scales[e / 2], part);
    for (int p = 0; p < 3; p++) run[p][e] = part[p];
  }
}
