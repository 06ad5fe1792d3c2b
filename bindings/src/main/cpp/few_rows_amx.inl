// Products of up to 32 rows with a weight on AMX tiles (tile_parts.inl): the weight is read in its order in memory, and
// that is all that should take time.

/// Adds the product with 32 rows of the weight to the sums in the tile registers.
template <typename Weight>
inline void addGroup(const TilesArgs<Weight>& a, int64_t row, bool both, bf16* weight) {
  const int64_t allSteps = (a.columns + 31) / 32;
  const int64_t nextStride = rowAddress(a, 0, kTileSteps * 32) - rowAddress(a, 0, 0);
  const char* next = rowAddress(a, row + 32, 0);
  for (int64_t step = 0; step < allSteps; step += kTileSteps) {
    const int64_t steps = allSteps - step < kTileSteps ? allSteps - step : kTileSteps;
    // The next group is asked for in its order in memory, whatever the order here.
    fillGroup(a, row, step, steps, next, nextStride, weight);
    next += 32 * nextStride;
    const bf16* b0 = a.tiles + tileOffset<1>(0, 2, step, allSteps);
    if (both) {
      addTiles(weight, weight + steps * kTile, b0, a.tiles + tileOffset<1>(1, 2, step, allSteps), steps);
    } else {
      addHalfTiles(weight, weight + steps * kTile, b0, steps);
    }
  }
}

/// The same for a dense weight, whose tiles are loaded from where they are.
inline void addGroup(const TilesArgs<DenseArray<bf16>>& a, int64_t row, bool both, bf16* weight) {
  if (a.columns % 32 != 0 || row + 32 > a.rows) return addGroup<DenseArray<bf16>>(a, row, both, weight);
  const int64_t steps = a.columns / 32, stride = a.columns * 2;
  const bf16* w = a.w.values + row * a.columns;
  const bool shortRows = stride < 4096;  // the hardware takes them for jumps: it does not foresee the next group
  const char* next = rowAddress(a, row + 32, 0);
  written();
  for (int64_t step = 0; step < steps; step++, w += 32) {
    for (int64_t line = 0; shortRows && line < 2048; line += 64) prefetch(next + step * 2048 + line);
    loadTile<4>(w, stride);
    loadTile<5>(a.tiles + tileOffset<1>(0, 2, step, steps), 64);
    loadTile<7>(w + 16 * a.columns, stride);
    addProduct<0, 4, 5>();
    addProduct<2, 7, 5>();
    if (both) {
      loadTile<6>(a.tiles + tileOffset<1>(1, 2, step, steps), 64);
      addProduct<1, 4, 6>();
      addProduct<3, 7, 6>();
    }
  }
}

/// y = x W^T + bias: sums stay in the tile registers. Index space: groups of 32 rows of the weight.
template <typename Weight>
inline void tilesForwardFew(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  static thread_local std::vector<char> buffer;
  TileConfig config;
  alignas(64) float c[1024];
  bf16* weight = alignedTo64<bf16>(buffer, 2 * kTileSteps * kTile);
  const bool both = a.m > 16;
  for (int64_t group = begin; group < end; group++) {
    zeroSums();
    addGroup(a, group * 32, both, weight);
    storeSums(c);
    if (!both)
      for (int i = 0; i < 1024; i += i % 512 == 240 ? 272 : 16)
        store(c + i, load(c + i) + load(c + 256 + i));
    writeTilesForward(a, group * 32, 0, c);
  }
}

/// Rows [n, n + 32) and 32 columns of the weight as two tiles B, their columns in the order of loadRun.
inline void columnTiles(const TilesArgs<DenseArray<bf16>>& a, int64_t n, int64_t column, bf16* to) {
  const __m512i none = _mm512_setzero_si512();
  for (int64_t row = n; row < n + 32; row += 2, to += 32) {
    prefetch(rowAddress(a, row + 32, column));
    prefetch(rowAddress(a, row + 33, column));
    __m512i even[1] = {none}, odd[1] = {none};
    if (row < a.rows) loadParts(a.w, a.w.values + row * a.columns + column, a.columns - column, even);
    if (row + 1 < a.rows) loadParts(a.w, a.w.values + (row + 1) * a.columns + column, a.columns - column, odd);
    _mm512_store_si512(to, _mm512_unpacklo_epi16(even[0], odd[0]));
    _mm512_store_si512(to + kTile, _mm512_unpackhi_epi16(even[0], odd[0]));
  }
}

/// Up to 16 rows of C (1 x 2 tiles) = or += A times the tiles 6 and 7.
inline void addPair(const bf16* a, float* c, bool add) {
  if (add) {
    loadTile<0>(c, 64);
    loadTile<1>(c + 256, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
  }
  loadTile<4>(a, 64);
  addProduct<0, 4, 6>();
  addProduct<1, 4, 7>();
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
}

/// y = x W + bias: sums of 2048 columns stay in the second-level cache. Index space: runs of 128 columns of the weight.
inline void tilesBackwardFew(const TilesArgs<DenseArray<bf16>>& a, int64_t begin, int64_t end) {
  constexpr int64_t kRuns = 2048 / kTileRun;
  static thread_local std::vector<char> buffer;
  TileConfig config(a.m < 16 ? static_cast<int>(a.m) : 16);
  alignas(64) bf16 weight[2 * kTile];
  float* sums = alignedTo64<float>(buffer, kRuns * 4096);
  const int64_t steps = (a.rows + 31) / 32, last = end * kTileRun < a.columns ? end * kTileRun : a.columns;
  for (int64_t first = begin * kTileRun; first < last; first += kRuns * kTileRun) {
    const int64_t width = last - first < kRuns * kTileRun ? last - first : kRuns * kTileRun;
    for (int64_t step = 0; step < steps; step++) {
      const bf16* a0 = a.tiles + tileOffset<1>(0, 2, step, steps);
      const bf16* a1 = a.tiles + tileOffset<1>(1, 2, step, steps);
      for (int64_t column = 0; column < width; column += 32) {
        columnTiles(a, step * 32, first + column, weight);
        written();
        loadTile<6>(weight, 64);
        loadTile<7>(weight + kTile, 64);
        addPair(a0, sums + column * 32, step != 0);
        if (a.m > 16) addPair(a1, sums + column * 32 + 512, step != 0);
      }
    }
    written();
    for (int64_t column = 0; column < width; column += kTileRun) writeRun(a, first + column, 0, sums + column * 32);
  }
}
