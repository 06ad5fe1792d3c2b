// Vectors of 8 floats for AVX2 with FMA. Included inside the namespace of this instruction set.

constexpr int kLanes = 8;

struct Vec {
  __m256 v;
};

inline Vec splat(float value) { return {_mm256_set1_ps(value)}; }
inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec root(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

/// The larger of the two; b where either is NaN.
inline Vec larger(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }

/// test <= 0 ? 0 : value (a NaN test keeps value).
inline Vec zeroUnlessPositive(Vec test, Vec value) {
  return {_mm256_and_ps(_mm256_cmp_ps(test.v, _mm256_setzero_ps(), _CMP_NLE_UQ), value.v)};
}

/// Bit i of keep set ? lane i : 0.
inline Vec keepLanes(uint32_t keep, Vec value) {
  __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  __m256i bits = _mm256_and_si256(_mm256_set1_epi32((int)keep), lane);
  return {_mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, lane)), value.v)};
}

inline Vec widen(__m128i half) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16))};
}

inline __m128i narrow(Vec a) {
  __m256i bits = _mm256_castps_si256(a.v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  sum = _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), _mm256_set1_epi32(0x7fc0), nan);
  __m256i packed = _mm256_packus_epi32(sum, sum);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

inline Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline Vec load(const bf16* p) { return widen(_mm_loadu_si128((const __m128i*)p)); }
inline void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }
inline void store(bf16* p, Vec a) { _mm_storeu_si128((__m128i*)p, narrow(a)); }

template <typename T>
inline Vec loadPart(const T* p, int count) {
  T part[kLanes] = {};
  std::memcpy(part, p, sizeof(T) * static_cast<size_t>(count));
  return load(part);
}
template <typename T>
inline void storePart(T* p, Vec a, int count) {
  T part[kLanes];
  store(part, a);
  std::memcpy(p, part, sizeof(T) * static_cast<size_t>(count));
}

/// Two vectors from 16 consecutive elements, in an order that is the same for every call of a type.
inline void loadPair(const float* p, Vec& a, Vec& b) {
  a = load(p);
  b = load(p + kLanes);
}
inline void loadPair(const bf16* p, Vec& a, Vec& b) {
  __m256i both = _mm256_loadu_si256((const __m256i*)p);
  a = {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16))};
  b = {_mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xffff0000)))};
}

inline float sumLanes(Vec a) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largestLane(Vec a) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// fraction * 2^power for integral power in [-126, 0].
inline Vec scaleByPowerOfTwo(Vec fraction, Vec power) {
  __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(power.v), _mm256_set1_epi32(127));
  return {_mm256_mul_ps(fraction.v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
}
inline Vec nearestInteger(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/// a < bound ? 0 : value.
inline Vec zeroBelow(Vec a, Vec bound, Vec value) {
  return {_mm256_and_ps(_mm256_cmp_ps(a.v, bound.v, _CMP_NLT_UQ), value.v)};
}

/// 8 words of 32 bits.
struct Words {
  __m256i v;
};
constexpr int kWordLanes = 8;
inline Words splatWord(uint32_t w) { return {_mm256_set1_epi32((int)w)}; }
inline Words laneIndices() { return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)}; }
inline Words operator+(Words a, Words b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Words operator^(Words a, Words b) { return {_mm256_xor_si256(a.v, b.v)}; }

/// The high and low words of a * factor.
inline void wideMultiply(Words a, uint32_t factor, Words& high, Words& low) {
  __m256i f = _mm256_set1_epi32((int)factor);
  __m256i even = _mm256_mul_epu32(a.v, f);
  __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), f);
  low = {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)};
  high = {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
}

/// Bit i set when lane i is >= bound, unsigned.
inline uint32_t atLeast(Words a, uint32_t bound) {
  __m256i b = _mm256_set1_epi32((int)bound);
  __m256i keep = _mm256_cmpeq_epi32(_mm256_max_epu32(a.v, b), a.v);
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(keep)));
}

/// 16 floats that a 4-bit code chooses from.
struct Table16 {
  __m256 low, high;
};
inline Table16 loadTable(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
/// By the low 4 bits of each word; the other bits may be anything.
inline Vec lookup(Table16 table, Words codes) {
  __m256 low = _mm256_permutevar8x32_ps(table.low, codes.v);
  __m256 high = _mm256_permutevar8x32_ps(table.high, codes.v);
  return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(codes.v, 28)))};
}

inline Words loadWords(const uint8_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
inline Words loadWordsPart(const uint8_t* p, int words) {
  uint32_t part[kLanes] = {};
  std::memcpy(part, p, sizeof(uint32_t) * static_cast<size_t>(words));
  return {_mm256_loadu_si256((const __m256i*)part)};
}
inline Words shiftRight(Words a, int bits) { return {(__m256i)((__v8su)a.v >> bits)}; }
/// The 4-bit codes of 4 bytes in order, the first of a byte in its high half.
inline Words nibbles(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return {_mm256_srlv_epi32(_mm256_set1_epi32((int)word),
                            _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24))};
}
/// a > bound ? code + step : code.
inline Words addWhereGreater(Words code, Vec a, Vec bound, uint32_t step) {
  __m256i greater = _mm256_castps_si256(_mm256_cmp_ps(a.v, bound.v, _CMP_GT_OQ));
  __m256i by = _mm256_and_si256(greater, _mm256_set1_epi32((int)step));
  return {_mm256_add_epi32(code.v, by)};
}
/// The low byte of each word.
inline void storeBytes(uint8_t* p, Words a) {
  uint32_t words[kLanes];
  _mm256_storeu_si256((__m256i*)words, a.v);
  for (int i = 0; i < kLanes; i++) p[i] = static_cast<uint8_t>(words[i]);
}
inline Vec absolute(Vec a) {
  return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)};
}
/// table[index[i]] in lane i.
inline Vec gather(const float* table, const uint8_t* index) {
  __m256i at = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)index));
  return {_mm256_i32gather_ps(table, at, 4)};
}
/// The same by words.
inline Vec gather(const float* table, Words index) { return {_mm256_i32gather_ps(table, index.v, 4)}; }
/// table[index] in each word; three bytes behind the last may be read.
inline Words gatherBytes(const uint8_t* table, Words index) {
  __m256i words = _mm256_i32gather_epi32((const int*)table, index.v, 1);
  return {_mm256_and_si256(words, _mm256_set1_epi32(255))};
}
inline Words bitsOf(Vec a) { return {_mm256_castps_si256(a.v)}; }
/// Four lanes of each of the next kLanes / 4 floats.
inline Vec spread4(const float* p) {
  return {_mm256_setr_ps(p[0], p[0], p[0], p[0], p[1], p[1], p[1], p[1])};
}

/// Eight lanes of a float.
inline Vec spread8(const float* p) { return splat(p[0]); }

/// The nearest integers, halves to even.
inline Words toWords(Vec a) { return {_mm256_cvtps_epi32(a.v)}; }
/// The floats of signed bytes.
inline Vec loadBytes(const int8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)))};
}
/// Rounded to float16 and back; what is beyond its range stays.
inline Vec roundToHalf(Vec a) {
  __m256i bits = _mm256_castps_si256(a.v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 13), _mm256_set1_epi32(1));
  __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0xfff)), odd);
  __m256 normal = _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_set1_epi32(0x1fff), up));
  // Below 2^-14 float16 has a fixed point, which is where 0.5 has its last bit.
  __m256 size = absolute(a).v, half = _mm256_set1_ps(0.5f);
  __m256 tiny = _mm256_or_ps(_mm256_sub_ps(_mm256_add_ps(size, half), half),
                             _mm256_and_ps(a.v, _mm256_set1_ps(-0.0f)));
  __m256 isTiny = _mm256_cmp_ps(size, _mm256_set1_ps(0x1p-14f), _CMP_LT_OQ);
  __m256 inside = _mm256_cmp_ps(size, _mm256_set1_ps(65520.0f), _CMP_LT_OQ);
  return {_mm256_blendv_ps(a.v, _mm256_blendv_ps(normal, tiny, isTiny), inside)};
}

/// Sums of products of signed bytes, exact.
struct ByteDot {
  static constexpr int kBytes = 16;
  using Bytes = __m256i;
  using Sum = __m256i;
  static Bytes load(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
  }
  static Bytes loadPart(const int8_t* p, int count) {
    int8_t part[kBytes] = {};
    std::memcpy(part, p, static_cast<size_t>(count));
    return load(part);
  }
  static Sum zero() { return _mm256_setzero_si256(); }
  static Sum add(Sum sum, Bytes w, Bytes x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(w, x));
  }
  static constexpr bool kShifted = false;
  static Sum addShift(Sum sum, Bytes) { return sum; }
  static int32_t total(Sum sum) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
  }
};

/// Weight rows to take at once for m rows of x: as many accumulators as 16 registers hold.
constexpr int rowsAtOnce(int m) { return m == 1 ? 4 : m == 2 ? 3 : m <= 4 ? 2 : 1; }
