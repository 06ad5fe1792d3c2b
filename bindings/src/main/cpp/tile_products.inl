// Products of many rows with a weight on AMX tiles (tile_parts.inl), of which a cache's fill is made at a time.

/// y = x W^T + bias. Index space: groups of 32 rows of the weight.
template <typename Weight>
inline void tilesForward(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  if constexpr (kParts == 1) {
    if (a.m <= kFewRows) return tilesForwardFew(a, begin, end);
  }
  constexpr int64_t kSteps = stepsOf(kParts);
  static thread_local std::vector<char> weightBuffer, sumBuffer;
  TileConfig config;
  bf16* weight = alignedTo64<bf16>(weightBuffer, 2 * kSteps * kParts * kTile);
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
      for (int64_t tile = tile0; tile < tile1; tile += 2)
        for (int64_t group = first; group < last; group++)  // a row's pieces one after the other
          writeTilesForward(a, group * 32, tile,
                            sums + ((group - first) * (chunk / 2) + (tile - tile0) / 2) * 1024);
    }
  }
}

/// The gradient of x: g W. Index space: runs of 128 columns of the weight.
template <typename Weight>
inline void tilesBackward(const TilesArgs<Weight>& a, int64_t begin, int64_t end) {
  constexpr int kParts = kPartsOf<typename Weight::Element>;
  if constexpr (std::is_same_v<Weight, DenseArray<bf16>>) {
    if (a.m <= kFewRows) return tilesBackwardFew(a, begin, end);
  }
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
  useTileProducts(table.fourBitFloatTilesPack, table.fourBitFloatTiles);
  useTileProducts(table.byteTilesPack, table.byteTiles);
  useTileProducts(table.floatTiles.pack, table.floatTiles.product);
  useTileProducts(table.halfTiles.pack, table.halfTiles.product);
}
