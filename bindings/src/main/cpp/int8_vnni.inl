// The int8 product with instructions for it. They want one side unsigned: x + 128, less 128 times the sum
// of the weights. Included inside a namespace that sees the kernels for AVX-512.

struct ByteDot {
  static constexpr int kBytes = 64;
  using Bytes = __m512i;
  using Sum = __m512i;
  static Bytes load(const int8_t* p) { return _mm512_loadu_si512(p); }
  static Bytes loadPart(const int8_t* p, int count) {
    return _mm512_maskz_loadu_epi8((__mmask64{1} << count) - 1, p);
  }
  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum add(Sum sum, Bytes w, Bytes x) {
    return _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, _mm512_set1_epi8(-128)), w);
  }
  static constexpr bool kShifted = true;
  static Sum addShift(Sum sum, Bytes w) {
    return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), w);
  }
  /// Modulo 2^32: long sums of x + 128 are beyond 31 bits, what is left of them is not.
  static int32_t total(Sum sum) {
    __m256i a = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
  }
};
