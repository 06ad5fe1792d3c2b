// Look-ups of four_bit_integers.inl in bytes of 64 entries. Included inside a namespace that sees the kernels for AVX-512.

/// Look-ups take no notice of the high half of a byte but for two bits: the table is there four times.
inline __m512i codesOf(__m512i words) { return words; }
inline __m512i digitsOf(__m512i table, __m512i codes) { return _mm512_permutexvar_epi8(codes, table); }

/// w.nestedValues of the 8-bit codes of scales: each byte of a float32 is looked up for all rows at once, in a fourth of
/// the instructions of a gather.
class NestedValues {
 public:
  explicit NestedValues(const FourBitArray& w) {
    if (w.absmax != nullptr) return;
    for (int i = 0; i < 256; i += 16) {
      __m512i values = _mm512_loadu_si512(w.nestedValues + i);
      for (int byte = 0; byte < 4; byte++, values = _mm512_srli_epi32(values, 8))
        _mm_store_si128(reinterpret_cast<__m128i*>(bytes_[byte] + i), _mm512_cvtepi32_epi8(values));
    }
  }

  /// For up to 16 codes from each codes + r stride on.
  template <int R>
  void get(const uint8_t* codes, int64_t stride, __mmask16 lanes, __m512 (&to)[R]) const {
    __m128i row[4] = {};
    for (int r = 0; r < R; r++) row[r] = _mm_maskz_loadu_epi8(lanes, codes + r * stride);
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(row[0]), row[1], 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(row[2]), row[3], 1);
    __m512i all = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    __mmask64 bit7 = _mm512_movepi8_mask(all), bit6 = _mm512_movepi8_mask(_mm512_add_epi8(all, all));
    __m512i byte[4];
    for (int b = 0; b < 4; b++) {
      const uint8_t* table = bytes_[b];
      byte[b] = _mm512_permutexvar_epi8(all, _mm512_load_si512(table));
      byte[b] = _mm512_mask_permutexvar_epi8(byte[b], ~bit7 & bit6, all, _mm512_load_si512(table + 64));
      byte[b] = _mm512_mask_permutexvar_epi8(byte[b], bit7 & ~bit6, all, _mm512_load_si512(table + 128));
      byte[b] = _mm512_mask_permutexvar_epi8(byte[b], bit7 & bit6, all, _mm512_load_si512(table + 192));
    }
    // Numbers 0 to 3, 4 to 7, ... of all rows, then 0 to 15 of each.
    __m512i a = _mm512_unpacklo_epi8(byte[0], byte[1]), b = _mm512_unpacklo_epi8(byte[2], byte[3]);
    __m512i c = _mm512_unpackhi_epi8(byte[0], byte[1]), d = _mm512_unpackhi_epi8(byte[2], byte[3]);
    __m512i v0 = _mm512_unpacklo_epi16(a, b), v1 = _mm512_unpackhi_epi16(a, b);
    __m512i v2 = _mm512_unpacklo_epi16(c, d), v3 = _mm512_unpackhi_epi16(c, d);
    a = _mm512_shuffle_i64x2(v0, v1, 0x44);
    b = _mm512_shuffle_i64x2(v2, v3, 0x44);
    c = _mm512_shuffle_i64x2(v0, v1, 0xee);
    d = _mm512_shuffle_i64x2(v2, v3, 0xee);
    const __m512i rows[4] = {_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd),
                             _mm512_shuffle_i64x2(c, d, 0x88), _mm512_shuffle_i64x2(c, d, 0xdd)};
    for (int r = 0; r < R; r++) to[r] = _mm512_castsi512_ps(rows[r]);
  }

 private:
  alignas(64) uint8_t bytes_[4][256];
};
