// What all products with a weight on AMX tiles have in common, whatever the weight is made of: its rows become bfloat16,
// or the parts of float32 numbers (dense_amx.inl).
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
