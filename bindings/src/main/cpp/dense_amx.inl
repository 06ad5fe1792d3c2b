// Dense weights of the tile products, and what all weights share whose numbers stay in their order.
//
// A float32 number is the sum of three of bfloat16, each the nearest to what the ones before it leave: products of parts are
// exact, and those that are added up keep what float32 products keep (Henry, Tang, Heinecke 2019, "Leveraging
// the bfloat16 artificial intelligence datatype for higher-precision computations"). Not so for numbers that have no
// bfloat16 near them: infinite ones, NaN, and the very largest; they are found and reported.

/// Up to 32 numbers, zeros behind.
template <typename Weight>
inline void loadParts(const Weight&, const bf16* p, int64_t left, __m512i (&part)[1]) {
  __mmask32 mask = left >= 32 ? ~__mmask32{0} : left <= 0 ? 0 : (__mmask32{1} << left) - 1;
  part[0] = _mm512_maskz_loadu_epi16(mask, p);
}

/// The nearest number of bfloat16 to each.
inline Vec rounded(Vec a) {
  __m512i bits = _mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x8000));
  return {_mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}

/// 32 numbers that are of bfloat16.
inline __m512i halves(Vec low, Vec high) {
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(_mm512_castps_si512(low.v), _mm512_load_si512(kUpper), _mm512_castps_si512(high.v));
}

inline void splitParts(Vec low, Vec high, int* unfit, __m512i (&part)[3]) {
  for (int i = 0; i < 2; i++) {
    const Vec lowPart = rounded(low), highPart = rounded(high);
    part[i] = halves(lowPart, highPart);
    low = low - lowPart;
    high = high - highPart;
  }
  part[2] = halves(low, high);
  // What an infinite part leaves is no number.
  if (_mm512_cmp_ps_mask(low.v, high.v, _CMP_UNORD_Q)) __atomic_store_n(unfit, 1, __ATOMIC_RELAXED);
}

template <typename Weight>
inline void loadParts(const Weight& w, const float* p, int64_t left, __m512i (&part)[3]) {
  Vec low = left > 0 ? loadUpTo(p, left) : splat(0.0f);
  Vec high = left > kLanes ? loadUpTo(p + kLanes, left - kLanes) : splat(0.0f);
  splitParts(low, high, w.unfit, part);
}

template <typename T>
inline const char* rowAddress(const TilesArgs<DenseArray<T>>& a, int64_t row, int64_t column) {
  return reinterpret_cast<const char*>(a.w.values + row * a.columns + column);
}

template <typename T>
inline void fillRow(const TilesArgs<DenseArray<T>>& a, int64_t row, int64_t column, int64_t steps, bf16* to,
                    const char* next) {
  const T* values = a.w.values + row * a.columns + column;
  for (int64_t s = 0; s < steps; s++) {
    __m512i part[kPartsOf<T>];
    for (size_t line = 0; line < 32 * sizeof(T); line += 64) prefetch(next + s * 32 * sizeof(T) + line);
    loadParts(a.w, values + s * 32, a.columns - column - s * 32, part);
    for (int p = 0; p < kPartsOf<T>; p++) _mm512_store_si512(to + (s * kPartsOf<T> + p) * kTile, part[p]);
  }
}

/// Columns that are no whole run end with zeros.
template <typename T>
inline void loadRun(const TilesArgs<DenseArray<T>>& a, int64_t row, int64_t column, __m512i (&run)[kPartsOf<T>][4],
                    const char* next) {
  const T* values = a.w.values + row * a.columns + column;
  for (int64_t e = 0; e < 4; e++) {
    __m512i part[kPartsOf<T>];
    for (size_t line = 0; line < 32 * sizeof(T); line += 64) prefetch(next + e * 32 * sizeof(T) + line);
    loadParts(a.w, values + 32 * e, a.columns - column - 32 * e, part);
    for (int p = 0; p < kPartsOf<T>; p++) run[p][e] = part[p];
  }
}

/// 16 rows of x as tiles B.
template <typename Weight>
inline void packTile(const TilesArgs<Weight>& a, int64_t tile) {
  using Element = typename Weight::Element;
  constexpr int kParts = kPartsOf<Element>;
  const Element* x = static_cast<const Element*>(a.x) + tile * 16 * a.xStride;
  const int64_t tiles = tilesFor(a.m), steps = (a.columns + 31) / 32;
  for (int64_t step = 0; step < steps; step++) {
    __m512i pairs[kParts][16];
    for (int64_t row = 0; row < 16; row++) {
      __m512i part[kParts];
      loadParts(a.w, x + row * a.xStride + step * 32, tile * 16 + row < a.m ? a.columns - step * 32 : 0, part);
      for (int p = 0; p < kParts; p++) pairs[p][row] = part[p];
    }
    bf16* to = a.tiles + tileOffset<kParts>(tile, tiles, step, steps);
    for (int p = 0; p < kParts; p++) {
      transpose16(pairs[p]);
      for (int i = 0; i < 16; i++) _mm512_store_si512(to + p * kTile + 32 * i, pairs[p][i]);
    }
  }
}

/// y of the product with w for a run of columns and a pair of tiles of rows: c has pairs of tiles of columns in
/// the order of loadRun, of which groups of 4 take turns.
template <typename Weight>
inline void writeRun(const TilesArgs<Weight>& a, int64_t column, int64_t tile, const float* c) {
  using Element = typename Weight::Element;
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  const Element* bias = static_cast<const Element*>(a.bias);
  Element* y = static_cast<Element*>(a.y) + tile * 16 * a.yStride + column;
  for (int64_t r = 0; r < 32 && tile * 16 + r < a.m; r++, y += a.yStride)
    for (int64_t e = 0; e < 4 && column + 32 * e < a.columns; e++) {
      const float* from = c + e * 1024 + r / 16 * 512 + r % 16 * 16;
      const int64_t left = a.columns - column - 32 * e;
      __m512 low = _mm512_load_ps(from), high = _mm512_load_ps(from + 256);
      Vec one = {_mm512_permutex2var_ps(low, first, high)}, two = {_mm512_permutex2var_ps(low, second, high)};
      if (bias != nullptr) {
        one = one + loadUpTo(bias + column + 32 * e, left);
        if (left > kLanes) two = two + loadUpTo(bias + column + 32 * e + kLanes, left - kLanes);
      }
      storeUpTo32(y + 32 * e, one, two, left);
    }
}
