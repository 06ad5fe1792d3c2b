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
  static int32_t total(Sum sum) { return _mm512_reduce_add_epi32(sum); }
};
