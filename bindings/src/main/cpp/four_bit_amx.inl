// Products of many bfloat16 rows with a 4-bit weight on AMX tiles: weights are rounded to bfloat16 as
// a dense weight is, but only a cache's fill at a time.
//
// Forward, A is the weight, B is x and C is y transposed; backward, A is the gradient of y and B the
// weight. A vector of words holds 4 codes a word, so a look-up gives every fourth element of a run of
// 128: x comes in that order, and results leave it at the end. The scale is in the table of the
// look-up: 16 numbers for each half of a run, rounded as the elements would be.

constexpr int64_t kTileRun = 128;    // elements of a vector of words
constexpr int64_t kTileSteps = 16;   // tiles along the sum that stay in a cache
constexpr int64_t kTileRows = 256;   // rows of x at a time
constexpr int64_t kTileColumns = 512;  // outputs at a time

/// The 128 numbers from element `first` on, every fourth in one vector.
inline void lookupTileRun(const FourBitArray& w, __m512 values, int64_t first, __m512i (&run)[4]) {
  const __m512i low = _mm512_set1_epi16(15);
  const __m512i half = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(16), 1);
  __m512 one = _mm512_mul_ps(values, _mm512_set1_ps(scaleOf(w, first >> w.blockShift)));
  __m512 two = _mm512_mul_ps(values, _mm512_set1_ps(scaleOf(w, (first + 64) >> w.blockShift)));
  __m512i table = (__m512i)_mm512_cvtne2ps_pbh(two, one);
  __m512i words = _mm512_loadu_si512(w.packed + first / 2);
  auto look = [&](__m512i codes) {
    return _mm512_permutexvar_epi16(_mm512_ternarylogic_epi64(codes, low, half, 0xea), table);
  };
  run[0] = look(_mm512_srli_epi16(words, 4));
  run[1] = look(words);
  run[2] = look(_mm512_srli_epi16(words, 12));
  run[3] = look(_mm512_srli_epi16(words, 8));
}

/// Where the tiles of 16 rows begin within panels of kTileSteps tiles along the sum.
inline int64_t tileOffset(int64_t tile, int64_t tiles, int64_t step, int64_t allSteps) {
  int64_t panel = step / kTileSteps, left = allSteps - panel * kTileSteps;
  int64_t steps = left < kTileSteps ? left : kTileSteps;
  return ((panel * kTileSteps * tiles) + tile * steps + step % kTileSteps) * kTile;
}

/// x of the forward product as tiles B. Index space: tiles of 16 rows.
inline void fourBitTilesPackX(const FourBitTilesArgs& a, int64_t begin, int64_t end) {
  const bf16* x = static_cast<const bf16*>(a.x);
  const int64_t tiles = tilesFor(a.m), steps = a.columns / 32;
  const __m512i low = _mm512_set1_epi32(0xffff);
  for (int64_t tile = begin; tile < end; tile++) {
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
        bf16* to = a.tiles + tileOffset(tile, tiles, k / 32 + e, steps);
        for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, pairs[e][i]);
      }
    }
  }
}

/// The gradient of y as tiles A. Index space: tiles of 16 rows.
inline void fourBitTilesPackGradient(const FourBitTilesArgs& a, int64_t begin, int64_t end) {
  const bf16* g = static_cast<const bf16*>(a.x);
  const int64_t tiles = tilesFor(a.m), steps = (a.rows + 31) / 32;
  for (int64_t tile = begin; tile < end; tile++)
    for (int64_t step = 0; step < steps; step++) {
      bf16* to = a.tiles + tileOffset(tile, tiles, step, steps);
      int64_t left = a.rows - step * 32;
      __mmask32 mask = left >= 32 ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
      for (int64_t row = 0; row < 16; row++) {
        int64_t m = tile * 16 + row;
        __mmask32 keep = m < a.m ? mask : 0;
        _mm512_store_si512(to + 32 * row,
                           _mm512_maskz_loadu_epi16(keep, g + m * a.xStride + step * 32));
      }
    }
}

/// y for 32 rows of the weight and one pair of tiles of x.
inline void writeTilesForward(const FourBitTilesArgs& a, int64_t row, int64_t tile, const float* c) {
  const bf16* bias = static_cast<const bf16*>(a.bias);
  bf16* y = static_cast<bf16*>(a.y);
  for (int part = 0; part < 4; part++) {
    int64_t n = row + part / 2 * 16, m0 = (tile + part % 2) * 16;
    if (n >= a.rows || m0 >= a.m) continue;
    __m512i values[16];
    for (int i = 0; i < 16; i++) values[i] = _mm512_load_si512(c + part * 256 + i * 16);
    transpose16(values);
    Vec shift = bias == nullptr ? splat(0.0f) : loadUpTo(bias + n, a.rows - n);
    for (int64_t i = 0; i < 16 && m0 + i < a.m; i++)
      storeUpTo(y + (m0 + i) * a.yStride + n, Vec{_mm512_castsi512_ps(values[i])} + shift,
                a.rows - n);
  }
}

/// y = x W^T + bias. Index space: groups of 32 rows of the weight.
inline void fourBitTilesForward(const FourBitTilesArgs& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> weightBuffer, sumBuffer;
  TileConfig config;
  const __m512 values = _mm512_loadu_ps(a.w.values);
  const int64_t tiles = tilesFor(a.m), allSteps = a.columns / 32;
  const int64_t chunk = kTileRows / 16 < tiles ? kTileRows / 16 : tiles;
  bf16* weight = alignedTo64<bf16>(weightBuffer, 2 * kTileSteps * kTile);
  float* sums = alignedTo64<float>(sumBuffer, kTileColumns / 32 * (chunk / 2) * 1024);
  for (int64_t first = begin; first < end; first += kTileColumns / 32) {
    const int64_t last = first + kTileColumns / 32 < end ? first + kTileColumns / 32 : end;
    for (int64_t tile0 = 0; tile0 < tiles; tile0 += chunk) {
      const int64_t tile1 = tile0 + chunk < tiles ? tile0 + chunk : tiles;
      for (int64_t step = 0; step < allSteps; step += kTileSteps) {
        const int64_t steps = allSteps - step < kTileSteps ? allSteps - step : kTileSteps;
        for (int64_t group = first; group < last; group++) {
          for (int64_t r = 0; r < 32; r++) {
            int64_t row = group * 32 + r;
            bf16* to = weight + r / 16 * steps * kTile + r % 16 * 32;
            for (int64_t s = 0; s < steps; s += 4) {
              __m512i run[4] = {};
              if (row < a.rows) lookupTileRun(a.w, values, row * a.columns + (step + s) * 32, run);
              for (int e = 0; e < 4; e++) _mm512_store_si512(to + (s + e) * kTile, run[e]);
            }
          }
          float* c = sums + (group - first) * (chunk / 2) * 1024;
          for (int64_t tile = tile0; tile < tile1; tile += 2, c += 1024)
            tileProduct(weight, weight + steps * kTile,
                        a.tiles + tileOffset(tile, tiles, step, allSteps),
                        a.tiles + tileOffset(tile + 1, tiles, step, allSteps), steps, c, step != 0);
        }
      }
      for (int64_t group = first; group < last; group++)
        for (int64_t tile = tile0; tile < tile1; tile += 2)
          writeTilesForward(
              a, group * 32, tile,
              sums + ((group - first) * (chunk / 2) + (tile - tile0) / 2) * 1024);
    }
  }
}

/// Rows [n, n + 32) and one run of columns of the weight, as 8 tiles B that are `stride` apart.
inline void weightTiles(const FourBitTilesArgs& a, __m512 values, int64_t n, int64_t column,
                        bf16* to, int64_t stride) {
  for (int64_t pair = 0; pair < 16; pair++) {
    __m512i even[4] = {}, odd[4] = {};
    int64_t row = n + 2 * pair;
    if (row < a.rows) lookupTileRun(a.w, values, row * a.columns + column, even);
    if (row + 1 < a.rows) lookupTileRun(a.w, values, (row + 1) * a.columns + column, odd);
    for (int e = 0; e < 4; e++) {
      _mm512_store_si512(to + 2 * e * stride + pair * 32, _mm512_unpacklo_epi16(even[e], odd[e]));
      _mm512_store_si512(to + (2 * e + 1) * stride + pair * 32,
                         _mm512_unpackhi_epi16(even[e], odd[e]));
    }
  }
}

/// The gradient of x for a run of columns and a pair of tiles of rows: c has pairs of tiles of
/// columns in the order of weightTiles.
inline void writeTilesBackward(const FourBitTilesArgs& a, int64_t column, int64_t tile,
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

/// The gradient of x: g W. Index space: runs of 128 columns of the weight.
inline void fourBitTilesBackward(const FourBitTilesArgs& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> weightBuffer, sumBuffer;
  TileConfig config;
  const __m512 values = _mm512_loadu_ps(a.w.values);
  const int64_t tiles = tilesFor(a.m), allSteps = (a.rows + 31) / 32;
  const int64_t chunk = kTileRows / 16 < tiles ? kTileRows / 16 : tiles;
  constexpr int64_t kRuns = kTileColumns / kTileRun;
  bf16* weight = alignedTo64<bf16>(weightBuffer, kRuns * 8 * kTileSteps * kTile);
  float* sums = alignedTo64<float>(sumBuffer, kRuns * (chunk / 2) * 4096);
  for (int64_t first = begin; first < end; first += kRuns) {
    const int64_t runs = end - first < kRuns ? end - first : kRuns;
    for (int64_t tile0 = 0; tile0 < tiles; tile0 += chunk) {
      const int64_t tile1 = tile0 + chunk < tiles ? tile0 + chunk : tiles;
      for (int64_t step = 0; step < allSteps; step += kTileSteps) {
        const int64_t steps = allSteps - step < kTileSteps ? allSteps - step : kTileSteps;
        const int64_t stride = steps * kTile;
        for (int64_t s = 0; s < steps; s++)
          for (int64_t run = 0; run < runs; run++)
            weightTiles(a, values, (step + s) * 32, (first + run) * kTileRun,
                        weight + run * 8 * stride + s * kTile, stride);
        for (int64_t tile = tile0; tile < tile1; tile += 2)
          for (int64_t run = 0; run < runs; run++)
            for (int e = 0; e < 4; e++) {
              const bf16* b = weight + (run * 8 + 2 * e) * stride;
              tileProduct(a.tiles + tileOffset(tile, tiles, step, allSteps),
                          a.tiles + tileOffset(tile + 1, tiles, step, allSteps), b, b + stride,
                          steps, sums + (((tile - tile0) / 2 * kRuns + run) * 4 + e) * 1024,
                          step != 0);
            }
      }
      for (int64_t tile = tile0; tile < tile1; tile += 2)
        for (int64_t run = 0; run < runs; run++)
          writeTilesBackward(a, (first + run) * kTileRun, tile,
                             sums + ((tile - tile0) / 2 * kRuns + run) * 4096);
    }
  }
}

inline void useTiles(KernelTable& table) {
  table.fourBitTilesPack[0] = fourBitTilesPackX;
  table.fourBitTilesPack[1] = fourBitTilesPackGradient;
  table.fourBitTiles[0] = fourBitTilesForward;
  table.fourBitTiles[1] = fourBitTilesBackward;
}
