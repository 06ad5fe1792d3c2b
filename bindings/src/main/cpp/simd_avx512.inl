// Vectors of 16 floats for AVX-512 F/BW/DQ/VL. Included inside the namespace of this instruction set.

constexpr int kLanes = 16;

struct Vec {
  __m512 v;
};

inline Vec splat(float value) { return {_mm512_set1_ps(value)}; }
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec root(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

/// The larger of the two; b where either is NaN.
inline Vec larger(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }

/// test <= 0 ? 0 : value (a NaN test keeps value).
inline Vec zeroUnlessPositive(Vec test, Vec value) {
  __mmask16 keep = _mm512_cmp_ps_mask(test.v, _mm512_setzero_ps(), _CMP_NLE_UQ);
  return {_mm512_maskz_mov_ps(keep, value.v)};
}

/// Bit i of keep set ? lane i : 0.
inline Vec keepLanes(uint32_t keep, Vec value) {
  return {_mm512_maskz_mov_ps(static_cast<__mmask16>(keep), value.v)};
}

inline __mmask16 firstLanes(int count) { return static_cast<__mmask16>((1u << count) - 1u); }

inline Vec widen(__m256i half) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}

inline __m256i narrow(Vec a) {
  __m512i bits = _mm512_castps_si512(a.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  sum = _mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16), nan, _mm512_set1_epi32(0x7fc0));
  return _mm512_cvtepi32_epi16(sum);
}

inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Vec load(const bf16* p) { return widen(_mm256_loadu_si256((const __m256i*)p)); }
inline Vec loadPart(const float* p, int count) {
  return {_mm512_maskz_loadu_ps(firstLanes(count), p)};
}
inline Vec loadPart(const bf16* p, int count) {
  return widen(_mm256_maskz_loadu_epi16(firstLanes(count), p));
}
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
inline void store(bf16* p, Vec a) { _mm256_storeu_si256((__m256i*)p, narrow(a)); }
inline void storePart(float* p, Vec a, int count) {
  _mm512_mask_storeu_ps(p, firstLanes(count), a.v);
}
inline void storePart(bf16* p, Vec a, int count) {
  _mm256_mask_storeu_epi16(p, firstLanes(count), narrow(a));
}

/// Two vectors from 32 consecutive elements, in an order that is the same for every call of a type.
inline void loadPair(const float* p, Vec& a, Vec& b) {
  a = load(p);
  b = load(p + kLanes);
}
inline void loadPair(const bf16* p, Vec& a, Vec& b) {
  __m512i both = _mm512_loadu_si512(p);
  a = {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))};
  b = {_mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000)))};
}

inline float sumLanes(Vec a) { return _mm512_reduce_add_ps(a.v); }
inline float largestLane(Vec a) { return _mm512_reduce_max_ps(a.v); }

/// fraction * 2^power for integral power in [-126, 0].
inline Vec scaleByPowerOfTwo(Vec fraction, Vec power) {
  return {_mm512_scalef_ps(fraction.v, power.v)};
}
inline Vec nearestInteger(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/// a < bound ? 0 : value.
inline Vec zeroBelow(Vec a, Vec bound, Vec value) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, bound.v, _CMP_NLT_UQ), value.v)};
}

/// 16 words of 32 bits.
struct Words {
  __m512i v;
};
constexpr int kWordLanes = 16;
inline Words splatWord(uint32_t w) { return {_mm512_set1_epi32((int)w)}; }
inline Words laneIndices() {
  return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
}
inline Words operator+(Words a, Words b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Words operator^(Words a, Words b) { return {_mm512_xor_si512(a.v, b.v)}; }

/// The high and low words of a * factor.
inline void wideMultiply(Words a, uint32_t factor, Words& high, Words& low) {
  __m512i f = _mm512_set1_epi32((int)factor);
  __m512i even = _mm512_mul_epu32(a.v, f);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), f);
  low = {_mm512_mask_shuffle_epi32(even, 0xaaaa, odd, (_MM_PERM_ENUM)0xa0)};
  high = {_mm512_mask_shuffle_epi32(odd, 0x5555, even, (_MM_PERM_ENUM)0xf5)};
}

/// Bit i set when lane i is >= bound, unsigned.
inline uint32_t atLeast(Words a, uint32_t bound) {
  return _mm512_cmpge_epu32_mask(a.v, _mm512_set1_epi32((int)bound));
}

/// 16 floats that a 4-bit code chooses from.
struct Table16 {
  __m512 v;
};
inline Table16 loadTable(const float* p) { return {_mm512_loadu_ps(p)}; }
/// By the low 4 bits of each word; the other bits may be anything.
inline Vec lookup(Table16 table, Words codes) {
  return {_mm512_permutexvar_ps(codes.v, table.v)};
}

inline Words loadWords(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline Words loadWordsPart(const uint8_t* p, int words) {
  return {_mm512_maskz_loadu_epi32(firstLanes(words), p)};
}
inline Words shiftRight(Words a, int bits) { return {(__m512i)((__v16su)a.v >> bits)}; }
/// The 4-bit codes of 8 bytes in order, the first of a byte in its high half.
inline Words nibbles(const uint8_t* p) {
  uint32_t low, high;
  std::memcpy(&low, p, sizeof low);
  std::memcpy(&high, p + 4, sizeof high);
  __m512i both = _mm512_mask_set1_epi32(_mm512_set1_epi32((int)low), 0xff00, (int)high);
  return {_mm512_srlv_epi32(both, _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20,
                                                    16, 28, 24))};
}
/// a > bound ? code + step : code.
inline Words addWhereGreater(Words code, Vec a, Vec bound, uint32_t step) {
  __mmask16 greater = _mm512_cmp_ps_mask(a.v, bound.v, _CMP_GT_OQ);
  return {_mm512_mask_add_epi32(code.v, greater, code.v, _mm512_set1_epi32((int)step))};
}
/// The low byte of each word.
inline void storeBytes(uint8_t* p, Words a) {
  _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(a.v));
}
inline Vec absolute(Vec a) { return {_mm512_abs_ps(a.v)}; }
/// table[index[i]] in lane i.
inline Vec gather(const float* table, const uint8_t* index) {
  __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)index));
  return {_mm512_i32gather_ps(at, table, 4)};
}
/// The same by words.
inline Vec gather(const float* table, Words index) { return {_mm512_i32gather_ps(index.v, table, 4)}; }
/// table[index] in each word; three bytes behind the last may be read.
inline Words gatherBytes(const uint8_t* table, Words index) {
  return {_mm512_and_si512(_mm512_i32gather_epi32(index.v, table, 1), _mm512_set1_epi32(255))};
}
inline Words bitsOf(Vec a) { return {_mm512_castps_si512(a.v)}; }
/// Four lanes of each of the next kLanes / 4 floats.
inline Vec spread4(const float* p) {
  __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return {_mm512_permutexvar_ps(lanes, _mm512_broadcast_f32x4(_mm_loadu_ps(p)))};
}

/// Eight lanes of each of two floats.
inline Vec spread8(const float* p) {
  return {_mm512_mask_broadcastss_ps(_mm512_set1_ps(p[0]), 0xff00, _mm_load_ss(p + 1))};
}

/// The nearest integers, halves to even.
inline Words toWords(Vec a) { return {_mm512_cvtps_epi32(a.v)}; }
/// The floats of signed bytes.
inline Vec loadBytes(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)))};
}
/// Rounded to float16 and back; what is beyond its range stays.
inline Vec roundToHalf(Vec a) {
  Vec half = {_mm512_cvtph_ps(_mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))};
  __mmask16 inside = _mm512_cmp_ps_mask(absolute(a).v, _mm512_set1_ps(65520.0f), _CMP_LT_OQ);
  return {_mm512_mask_mov_ps(a.v, inside, half.v)};
}

/// Sums of products of signed bytes, exact.
struct ByteDot {
  static constexpr int kBytes = 32;
  using Bytes = __m512i;
  using Sum = __m512i;
  static Bytes load(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p));
  }
  static Bytes loadPart(const int8_t* p, int count) {
    __mmask32 mask = (__mmask32{1} << count) - 1;
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, p));
  }
  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum add(Sum sum, Bytes w, Bytes x) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(w, x));
  }
  static constexpr bool kShifted = false;
  static Sum addShift(Sum sum, Bytes) { return sum; }
  static int32_t total(Sum sum) { return _mm512_reduce_add_epi32(sum); }
};

/// Weight rows to take at once for m rows of x: as many accumulators as 32 registers hold.
constexpr int rowsAtOnce(int m) { return m <= 4 ? 4 : 2; }
