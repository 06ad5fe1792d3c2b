// The int8 product of many rows on AMX tiles: A is the weight as it lies in memory, B is x, whose
// groups of 4 terms are packed first, and C is y transposed.

constexpr int64_t kByteTile = 1024;

/// x as tiles B, zeros behind. Index space: tiles of 16 rows.
inline void bytesTilesPack(const BytesProductArgs& a, int64_t begin, int64_t end) {
  const int64_t steps = (a.k + 63) / 64;
  for (int64_t tile = begin; tile < end; tile++)
    for (int64_t s = 0; s < steps; s++) {
      int64_t left = a.k - s * 64;
      __mmask64 mask = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
      __m512i rows[16];
      for (int64_t i = 0; i < 16; i++) {
        int64_t m = tile * 16 + i;
        rows[i] = _mm512_maskz_loadu_epi8(m < a.m ? mask : 0, a.x + m * a.k + s * 64);
      }
      transpose16(rows);
      int8_t* to = a.tiles + (tile * steps + s) * kByteTile;
      for (int i = 0; i < 16; i++) _mm512_store_si512(to + 64 * i, rows[i]);
    }
}

/// 32 rows of w, or what is left of them, and one step of 64 terms as two tiles A.
inline void copyByteTiles(const BytesProductArgs& a, int64_t row, int64_t step, int8_t* to) {
  int64_t left = a.k - step * 64;
  __mmask64 mask = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
  for (int64_t i = 0; i < 32; i++) {
    __mmask64 keep = row + i < a.n ? mask : 0;
    _mm512_store_si512(to + 64 * i,
                       _mm512_maskz_loadu_epi8(keep, a.w + (row + i) * a.k + step * 64));
  }
}

inline void byteTileStep(const int8_t* a0, const int8_t* a1, int64_t stride, const int8_t* b0,
                         const int8_t* b1) {
  loadTile<4>(a0, stride);
  loadTile<5>(b0, 64);
  loadTile<6>(b1, 64);
  loadTile<7>(a1, stride);
  addByteProduct<0, 4, 5>();
  addByteProduct<1, 4, 6>();
  addByteProduct<2, 7, 5>();
  addByteProduct<3, 7, 6>();
}

template <typename T>
inline void writeByteTiles(const BytesProductArgs& a, int64_t row, int64_t tile, const int32_t* c) {
  for (int part = 0; part < 4; part++) {
    int64_t n = row + part / 2 * 16, m0 = (tile + part % 2) * 16, left = a.n - n;
    if (left <= 0 || m0 >= a.m) continue;
    __m512i sums[16];
    for (int i = 0; i < 16; i++) sums[i] = _mm512_load_si512(c + part * 256 + i * 16);
    transpose16(sums);
    const Vec scale = loadUpTo(a.wAbsmax + n, left), inverse = splat(kByteInverseSquared);
    const Vec shift = a.bias == nullptr ? splat(0.0f) : loadUpTo(a.bias + n, left);
    for (int64_t i = 0; i < 16 && m0 + i < a.m; i++) {
      Vec value = Vec{_mm512_cvtepi32_ps(sums[i])} * (splat(a.xAbsmax[m0 + i]) * scale) * inverse;
      storeUpTo(static_cast<T*>(a.y) + (m0 + i) * a.n + n, value + shift, left);
    }
  }
}

/// Index space: groups of 32 rows of w, of which a few stay in a cache while all of x passes.
template <typename T>
void bytesTiles(const BytesProductArgs& a, int64_t begin, int64_t end) {
  constexpr int64_t kGroups = 4;
  TileConfig config;
  const int64_t tiles = tilesFor(a.m), steps = (a.k + 63) / 64, wholeSteps = a.k / 64;
  alignas(64) int8_t copy[2 * kByteTile];
  alignas(64) int32_t c[1024];
  for (int64_t first = begin; first < end; first += kGroups) {
    const int64_t last = first + kGroups < end ? first + kGroups : end;
    for (int64_t tile = 0; tile < tiles; tile += 2)
      for (int64_t group = first; group < last; group++) {
        const int64_t row = group * 32;
        const int8_t* b = a.tiles + tile * steps * kByteTile;
        const int64_t direct = row + 32 <= a.n ? wholeSteps : 0;
        zeroSums();
        for (int64_t s = 0; s < steps; s++) {
          const int8_t* b0 = b + s * kByteTile;
          const int8_t* b1 = b0 + steps * kByteTile;
          if (s < direct) {
            const int8_t* w = a.w + row * a.k + s * 64;
            byteTileStep(w, w + 16 * a.k, a.k, b0, b1);
          } else {
            copyByteTiles(a, row, s, copy);
            byteTileStep(copy, copy + kByteTile, 64, b0, b1);
          }
        }
        storeSums(c);
        writeByteTiles<T>(a, row, tile, c);
      }
  }
}

inline void useByteTiles(KernelTable& table) {
  table.bytesTilesPack = bytesTilesPack;
  table.bytesTiles[kFloat32] = bytesTiles<float>;
  table.bytesTiles[kBFloat16] = bytesTiles<bf16>;
}
