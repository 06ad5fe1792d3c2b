// Products of many rows with a weight on AMX tiles, whatever the weight is made of: its rows become bfloat16, or the
// parts of float32 numbers (dense_amx.inl), a cache's fill at a time.
//
// Forward, A is the weight, B is x and C is y transposed; backward, A is the gradient of y and B the weight.
// A kind of weight says how (overloads, see bytes_amx.inl; dense_amx.inl has those that most kinds share):
//   fillRow      `steps` pieces of 32 numbers of a row, a tile apart, in any order within 128;
//   packTile     16 rows of x as tiles B, in the order of fillRow;
//   loadRun      128 numbers of a row, in any order that writeRun undoes;
//   rowAddress   where a number's bytes begin. fillRow and loadRun ask for as much as they read from the address
//                given, where they will go on: the hardware does not foresee these jumps.

/// x of the forward product as tiles B. Index space: tiles of 16 rows.
template <typename Weight>
inline void tilesPackX(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  for (int64_t tile = begin; tile < end; tile++) packTile(a, tile);
}

/// The gradient of y as tiles A. Index space: tiles of 16 rows.
template <typename Weight>
inline void tilesPackGradient(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  const auto* g = static_cast<const typename Weight::Element*>(a.x);
  const int64_t tiles = tilesFor(a.m), steps = (a.rows + 31) / 32;
  for (int64_t tile = begin; tile < end; tile++)
    for (int64_t step = 0; step < steps; step++) {
      bf16* to = a.tiles + tileOffset<kParts>(tile, tiles, step, steps);
      for (int64_t row = 0; row < 16; row++) {
        const int64_t m = tile * 16 + row;
        __m512i part[kParts];
        loadParts(a.w, g + m * a.xStride + step * 32, m < a.m ? a.rows - step * 32 : 0, part);
        for (int p = 0; p < kParts; p++) _mm512_store_si512(to + p * kTile + 32 * row, part[p]);
      }
    }
}

/// y for 32 rows of the weight and one pair of tiles of x.
template <typename Weight>
inline void writeTilesForward(const TilesArgs<Weight>& a, int64_t row, int64_t tile, const float* c) {
  using Element = typename Weight::Element;
  const auto* bias = static_cast<const Element*>(a.bias);
  const int64_t left = a.rows - row;
  Vec shift[2] = {splat(0.0f), splat(0.0f)};
  if (bias != nullptr) {
    shift[0] = loadUpTo(bias + row, left);
    if (left > 16) shift[1] = loadUpTo(bias + row + 16, left - 16);
  }
  for (int half = 0; half < 2; half++) {
    const int64_t m0 = (tile + half) * 16;
    if (m0 >= a.m) return;
    __m512i low[16], high[16];
    for (int i = 0; i < 16; i++) {
      low[i] = _mm512_load_si512(c + half * 256 + i * 16);
      high[i] = _mm512_load_si512(c + 512 + half * 256 + i * 16);
    }
    transpose16(low);
    transpose16(high);
    Element* y = static_cast<Element*>(a.y) + m0 * a.yStride + row;
    for (int64_t i = 0; i < 16 && m0 + i < a.m; i++, y += a.yStride)
      storeUpTo32(y, Vec{_mm512_castsi512_ps(low[i])} + shift[0],
                  Vec{_mm512_castsi512_ps(high[i])} + shift[1], left);
  }
}

/// 32 rows of the weight and `steps` pieces of 32 columns as two rows of tiles A.
template <typename Weight>
inline void fillGroup(const TilesArgs<Weight>& a, int64_t row, int64_t step, int64_t steps,
                      const char* next, int64_t nextStride, bf16* weight) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  for (int64_t r = 0; r < 32; r++) {
    bf16* to = weight + r / 16 * steps * (kParts * kTile) + r % 16 * 32;
    if (row + r < a.rows) {
      fillRow(a, row + r, step * 32, steps, to, next + r * nextStride);
    } else {
      for (int64_t s = 0; s < steps * kParts; s++)
        _mm512_store_si512(to + s * kTile, _mm512_setzero_si512());
    }
  }
}

/// y = x W^T + bias for up to 32 rows of x: sums stay in the tile registers.
template <typename Weight>
inline void tilesForwardFew(const TilesArgs<Weight>& a, int64_t begin, int64_t end, bf16* weight) {
  alignas(64) float c[1024];
  const int64_t tiles = tilesFor(a.m), allSteps = (a.columns + 31) / 32;
  const bool both = a.m > 16;
  // The next group is asked for in its order in memory, whatever the order here.
  const int64_t nextStride = rowAddress(a, 0, kTileSteps * 32) - rowAddress(a, 0, 0);
  for (int64_t group = begin; group < end; group++) {
    const char* next = rowAddress(a, (group + 1) * 32, 0);
    zeroSums();
    for (int64_t step = 0; step < allSteps; step += kTileSteps) {
      const int64_t steps = allSteps - step < kTileSteps ? allSteps - step : kTileSteps;
      fillGroup(a, group * 32, step, steps, next, nextStride, weight);
      next += 32 * nextStride;
      const bf16* b0 = a.tiles + tileOffset<1>(0, tiles, step, allSteps);
      if (both) {
        addTiles(weight, weight + steps * kTile, b0,
                 a.tiles + tileOffset<1>(1, tiles, step, allSteps), steps);
      } else {
        addHalfTiles(weight, weight + steps * kTile, b0, steps);
      }
    }
    storeSums(c);
    if (!both)
      for (int i = 0; i < 1024; i += i % 512 == 240 ? 272 : 16)
        store(c + i, load(c + i) + load(c + 256 + i));
    writeTilesForward(a, group * 32, 0, c);
  }
}

/// y = x W^T + bias. Index space: groups of 32 rows of the weight.
template <typename Weight>
inline void tilesForward(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  constexpr int64_t kSteps = stepsOf(kParts);
  static thread_local std::vector<char> weightBuffer, sumBuffer;
  TileConfig config;
  bf16* weight = alignedTo64<bf16>(weightBuffer, 2 * kSteps * kParts * kTile);
  if constexpr (kParts == 1) {
    if (a.m <= 32) return tilesForwardFew(a, begin, end, weight);
  }
  constexpr int64_t kGroups = kTileColumns / 32;
  const int64_t tiles = tilesFor(a.m), allSteps = (a.columns + 31) / 32;
  const int64_t chunk = kTileRows / 16 < tiles ? kTileRows / 16 : tiles;
  float* sums = alignedTo64<float>(sumBuffer, kGroups * (chunk / 2) * 1024);
  const int64_t nextStride = rowAddress(a, 1, 0) - rowAddress(a, 0, 0);
  for (int64_t first = begin; first < end; first += kGroups) {
    const int64_t last = first + kGroups < end ? first + kGroups : end;
    for (int64_t tile0 = 0; tile0 < tiles; tile0 += chunk) {
      const int64_t tile1 = tile0 + chunk < tiles ? tile0 + chunk : tiles;
      for (int64_t step = 0; step < allSteps; step += kSteps) {
        const int64_t steps = allSteps - step < kSteps ? allSteps - step : kSteps;
        for (int64_t group = first; group < last; group++) {
          const bool lastGroup = group + 1 == last;
          fillGroup(a, group * 32, step, steps,
                    rowAddress(a, (lastGroup ? first : group + 1) * 32,
                               (lastGroup ? step + steps : step) * 32),
                    nextStride, weight);
          float* c = sums + (group - first) * (chunk / 2) * 1024;
          for (int64_t tile = tile0; tile < tile1; tile += 2, c += 1024)
            tileProduct<kParts>(weight, weight + steps * (kParts * kTile),
                        a.tiles + tileOffset<kParts>(tile, tiles, step, allSteps),
                        a.tiles + tileOffset<kParts>(tile + 1, tiles, step, allSteps), steps, c, step != 0);
        }
      }
      for (int64_t group = first; group < last; group++)
        for (int64_t tile = tile0; tile < tile1; tile += 2)
          writeTilesForward(a, group * 32, tile,
                            sums + ((group - first) * (chunk / 2) + (tile - tile0) / 2) * 1024);
    }
  }
}

/// Rows [n, n + 32) and `runs` runs of columns of the weight, as 8 tiles B a run that are `stride` apart.
template <typename Weight>
inline void weightTiles(const TilesArgs<Weight>& a, int64_t n, int64_t column, int64_t runs,
                        bf16* to, int64_t stride) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  for (int64_t pair = 0; pair < 16; pair++, to += 32) {
    const int64_t row = n + 2 * pair;
    for (int64_t run = 0; run < runs; run++) {
      __m512i even[kParts][4] = {}, odd[kParts][4] = {};
      const int64_t at = column + run * kTileRun;
      if (row < a.rows) loadRun(a, row, at, even, rowAddress(a, row + 32, at));
      if (row + 1 < a.rows) loadRun(a, row + 1, at, odd, rowAddress(a, row + 33, at));
      for (int p = 0; p < kParts; p++)
        for (int e = 0; e < 4; e++) {
          bf16* tile = to + (run * 8 + 2 * e) * stride + p * kTile;
          _mm512_store_si512(tile, _mm512_unpacklo_epi16(even[p][e], odd[p][e]));
          _mm512_store_si512(tile + stride, _mm512_unpackhi_epi16(even[p][e], odd[p][e]));
        }
    }
  }
}

/// The gradient of x: g W. Index space: runs of 128 columns of the weight.
template <typename Weight>
inline void tilesBackward(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  constexpr int64_t kSteps = stepsOf(kParts);
  static thread_local std::vector<char> weightBuffer, sumBuffer;
  TileConfig config;
  const int64_t tiles = tilesFor(a.m), allSteps = (a.rows + 31) / 32;
  const int64_t chunk = kTileRows / 16 < tiles ? kTileRows / 16 : tiles;
  constexpr int64_t kRuns = kTileColumns / kTileRun;
  bf16* weight = alignedTo64<bf16>(weightBuffer, kRuns * 8 * kSteps * kParts * kTile);
  float* sums = alignedTo64<float>(sumBuffer, kRuns * (chunk / 2) * 4096);
  for (int64_t first = begin; first < end; first += kRuns) {
    const int64_t runs = end - first < kRuns ? end - first : kRuns;
    for (int64_t tile0 = 0; tile0 < tiles; tile0 += chunk) {
      const int64_t tile1 = tile0 + chunk < tiles ? tile0 + chunk : tiles;
      for (int64_t step = 0; step < allSteps; step += kSteps) {
        const int64_t steps = allSteps - step < kSteps ? allSteps - step : kSteps;
        const int64_t stride = steps * kParts * kTile;
        for (int64_t s = 0; s < steps; s++)
          weightTiles(a, (step + s) * 32, first * kTileRun, runs, weight + s * kParts * kTile, stride);
        for (int64_t tile = tile0; tile < tile1; tile += 2)
          for (int64_t run = 0; run < runs; run++)
            for (int e = 0; e < 4; e++) {
              const bf16* b = weight + (run * 8 + 2 * e) * stride;
              tileProduct<kParts>(a.tiles + tileOffset<kParts>(tile, tiles, step, allSteps),
                          a.tiles + tileOffset<kParts>(tile + 1, tiles, step, allSteps), b, b + stride,
                          steps, sums + (((tile - tile0) / 2 * kRuns + run) * 4 + e) * 1024,
                          step != 0);
            }
      }
      for (int64_t tile = tile0; tile < tile1; tile += 2)
        for (int64_t run = 0; run < runs; run++)
          writeRun(a, (first + run) * kTileRun, tile,
                   sums + ((tile - tile0) / 2 * kRuns + run) * 4096);
    }
  }
}

template <typename Weight>
inline void useTileProducts(Range<TilesArgs<Weight>> (&pack)[2], Range<TilesArgs<Weight>> (&product)[2]) {
  pack[0] = tilesPackX<Weight>;
  pack[1] = tilesPackGradient<Weight>;
  product[0] = tilesForward<Weight>;
  product[1] = tilesBackward<Weight>;
}

inline void useTiles(KernelTable& table) {
  useTileProducts(table.fourBitTilesPack, table.fourBitTiles);
  useTileProducts(table.byteTilesPack, table.byteTiles);
  useTileProducts(table.floatTiles.pack, table.floatTiles.product);
  useTileProducts(table.halfTiles.pack, table.halfTiles.product);
}
