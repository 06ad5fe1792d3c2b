// Look-ups of four_bit_integers.inl in bytes of 16 entries. Included inside a namespace that sees the kernels for AVX-512.

/// Codes in the low half of each byte.
inline __m512i codesOf(__m512i words) { return _mm512_and_si512(words, _mm512_set1_epi8(15)); }
/// The table is in each 16 bytes.
inline __m512i digitsOf(__m512i table, __m512i codes) { return _mm512_shuffle_epi8(table, codes); }

/// w.nestedValues of the 8-bit codes of scales.
class NestedValues {
 public:
  explicit NestedValues(const FourBitArray& w) : values_(w.nestedValues) {}

  /// For up to 16 codes from each codes + r stride on.
  template <int R>
  void get(const uint8_t* codes, int64_t stride, __mmask16 lanes, __m512 (&to)[R]) const {
    for (int r = 0; r < R; r++) {
      __m128i bytes = _mm_maskz_loadu_epi8(lanes, codes + r * stride);
      to[r] = _mm512_i32gather_ps(_mm512_cvtepu8_epi32(bytes), values_, 4);
    }
  }

 private:
  const float* values_;
};
