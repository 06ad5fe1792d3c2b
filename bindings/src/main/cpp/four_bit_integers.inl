// Products of up to four rows of bfloat16 with a 4-bit weight in integers of 16 bits: fewer instructions than in float32
// go over a weight that only has to be read.
//
// A block of x is a power of two times integers up to 2^15: exact where a number is no less than 2^-7 of the largest,
// else within 2^-15 of it. The number of a code is rounded to 2^-16 of the largest. Both have two digits of
// 8 bits, x = 256 high + low and w + 2^15 = 256 high + low. Products of two low digits are left out, the weight's digit
// taken for 127.5 instead: 2^-15 of the largest product. Rounding the weight to bfloat16 would err by 2^-9 of
// each number.
//
// A byte has element 2 i + 1 in its low half and 2 i in its high half, so lane j of the sums of a run of 128 has the
// elements 8 j to 8 j + 7, of one block.

constexpr int64_t kRunDigits = 4 * 64;  // bytes: high digits of odd elements, of even ones, low digits likewise

struct PackedRow {
  int8_t* digits;
  float* scales;  // of blocks, in whole vectors
  float* shifts;  // what -2^15 in each weight adds up to
  float* factor;  // of the sums
};
inline PackedRow packedRow(const FourBitIntegersArgs& a, int64_t m) {
  const int64_t vectors = ((a.columns >> a.w.blockShift) + 15) / 16;
  int8_t* digits = a.packed + m * a.packedStride;
  auto* scales = reinterpret_cast<float*>(digits + (a.columns + 127) / 128 * kRunDigits);
  return {digits, scales, scales + 16 * vectors, scales + 32 * vectors};
}

/// The exponent of the largest of some numbers, with its bias; 255 if one is not finite.
inline int32_t largestExponent(const bf16* x, int64_t count) {
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 32)
    largest = _mm512_max_epu16(largest, _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi16(0x7fff)));
  largest = _mm512_max_epu32(_mm512_and_si512(largest, _mm512_set1_epi32(0xffff)), _mm512_srli_epi32(largest, 16));
  int32_t exponent = static_cast<int32_t>(_mm512_reduce_max_epu32(largest)) >> 7;
  return exponent == 0 ? 1 : exponent;  // of subnormal numbers
}

/// Digits of numbers times 2^up. Adds them to the sums.
inline void storeDigits(__m512 numbers, float up, int8_t* to, __m512i& highSum, __m512i& lowSum) {
  const __m512i most = _mm512_set1_epi32(127);
  __m512i x = _mm512_cvtps_epi32(_mm512_scalef_ps(numbers, _mm512_set1_ps(up)));
  __m512i high = _mm512_min_epi32(_mm512_srai_epi32(_mm512_add_epi32(x, _mm512_set1_epi32(128)), 8), most);
  __m512i low = _mm512_min_epi32(_mm512_sub_epi32(x, _mm512_slli_epi32(high, 8)), most);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(high));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 128), _mm512_cvtepi32_epi8(low));
  highSum = _mm512_add_epi32(highSum, high);
  lowSum = _mm512_add_epi32(lowSum, low);
}

inline bool packIntegerRow(const FourBitIntegersArgs& a, int64_t m) {
  const bf16* x = static_cast<const bf16*>(a.x) + m * a.xStride;
  const int64_t blocks = a.columns >> a.w.blockShift, size = int64_t{1} << a.w.blockShift;
  const PackedRow to = packedRow(a, m);
  int32_t largest = 1;
  for (int64_t b = 0; b < blocks; b++) {
    int32_t exponent = largestExponent(x + b * size, size);
    if (exponent == 255) return false;
    to.scales[b] = static_cast<float>(exponent);
    if (exponent > largest) largest = exponent;
  }
  int64_t i = 0;
  for (int64_t b = 0; b < blocks; b++) {
    const float up = 14 + 127 - to.scales[b];
    __m512i high = _mm512_setzero_si512(), low = _mm512_setzero_si512();
    for (; i < (b + 1) * size; i += 32) {
      int8_t* digits = to.digits + i / 128 * kRunDigits + i % 128 / 2;
      __m512i pairs = _mm512_loadu_si512(x + i);
      __m512i odd = _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
      storeDigits(_mm512_castsi512_ps(odd), up, digits, high, low);
      storeDigits(_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), up, digits + 64, high, low);
    }
    to.scales[b] = std::ldexp(1.0f, static_cast<int>(to.scales[b]) - largest - 21);
    to.shifts[b] = -32768.0f * static_cast<float>(_mm512_reduce_add_epi32(high)) -
                   127.5f * static_cast<float>(_mm512_reduce_add_epi32(low));
  }
  for (; i % 128 != 0; i += 32)
    for (int64_t digit = 0; digit < kRunDigits; digit += 64)
      std::memset(to.digits + i / 128 * kRunDigits + i % 128 / 2 + digit, 0, 16);
  for (int64_t b = blocks; b % 16 != 0; b++) to.scales[b] = to.shifts[b] = 0.0f;
  *to.factor = static_cast<float>(std::ldexp(1.0, largest - 127 + 15) / a.codeScale);
  return true;
}

inline bool packIntegers(const FourBitIntegersArgs& a) {
  for (int64_t m = 0; m < a.m; m++)
    if (!packIntegerRow(a, m)) return false;
  return true;
}

/// The scales of up to 16 blocks from each first + r stride on, zeros behind.
template <int R>
inline void scalesOf(const FourBitArray& w, const NestedValues& values, int64_t first, int64_t stride, int64_t count,
                     __m512 (&to)[R]) {
  const __mmask16 lanes = firstLanes(count < 16 ? static_cast<int>(count) : 16);
  if (w.absmax != nullptr) {
    for (int r = 0; r < R; r++) to[r] = _mm512_maskz_loadu_ps(lanes, w.absmax + first + r * stride);
    return;
  }
  values.get<R>(w.absmax8 + first, stride, lanes, to);
  for (int r = 0; r < R; r++, first += stride) {
    const float* nested = w.nestedAbsmax + (first >> 8);
    const int64_t left = 256 - (first & 255);
    __m512 factor = _mm512_set1_ps(nested[0]);
    if (left < 16 && left < count)
      factor = _mm512_mask_broadcastss_ps(factor, static_cast<__mmask16>(0xffff << left), _mm_load_ss(nested + 1));
    to[r] = _mm512_fmadd_ps(to[r], factor, _mm512_set1_ps(w.offset));
  }
}

/// The digits of the 16 codes' numbers, for look-ups.
struct DigitTables {
  __m512i high, low;
};
inline DigitTables digitTables(const FourBitIntegersArgs& a) {
  uint8_t high[16], low[16];
  for (int i = 0; i < 16; i++) {
    int number = static_cast<int>(std::lrint(a.w.values[i] * a.codeScale)) + 32768;
    high[i] = static_cast<uint8_t>(number >> 8);
    low[i] = static_cast<uint8_t>(number & 255);
  }
  return {_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(high))),
          _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)))};
}

/// Adds the next run of 128 columns of R rows. Instructions of the rows take turns, so that none has to wait for the one
/// before it. `block` says which of 16 scales a lane has.
template <int M, int R>
inline void addIntegerRun(const DigitTables& tables, const __m512i (&words)[R], const int8_t* (&x)[M],
                          __m512i block, const __m512 (&scale)[R][M], __m512 (&sum)[R][M]) {
  __m512i odd[R], even[R], digit0[R], digit1[R], d[R][M];
  for (int r = 0; r < R; r++) {
    odd[r] = codesOf(words[r]);
    even[r] = codesOf(_mm512_srli_epi16(words[r], 4));
  }
  for (int r = 0; r < R; r++) digit0[r] = digitsOf(tables.high, odd[r]);
  for (int r = 0; r < R; r++) digit1[r] = digitsOf(tables.high, even[r]);
  for (int m = 0; m < M; m++) {
    const __m512i x0 = _mm512_load_si512(x[m]), x1 = _mm512_load_si512(x[m] + 64);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), digit0[r], x0);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(d[r][m], digit1[r], x1);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_slli_epi32(d[r][m], 8);
    const __m512i x2 = _mm512_load_si512(x[m] + 128), x3 = _mm512_load_si512(x[m] + 192);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(d[r][m], digit0[r], x2);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(d[r][m], digit1[r], x3);
  }
  for (int r = 0; r < R; r++) digit0[r] = digitsOf(tables.low, odd[r]);
  for (int r = 0; r < R; r++) digit1[r] = digitsOf(tables.low, even[r]);
  for (int m = 0; m < M; m++) {
    const __m512i x0 = _mm512_load_si512(x[m]), x1 = _mm512_load_si512(x[m] + 64);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(d[r][m], digit0[r], x0);
    for (int r = 0; r < R; r++) d[r][m] = _mm512_dpbusd_epi32(d[r][m], digit1[r], x1);
    for (int r = 0; r < R; r++)
      sum[r][m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(d[r][m]), _mm512_permutexvar_ps(block, scale[r][m]), sum[r][m]);
    x[m] += kRunDigits;
  }
}

/// The sums of the lanes of four vectors.
inline __m128 sumEach(__m512 a, __m512 b, __m512 c, __m512 d) {
  __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  __m512 all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/// R rows of the weight that are `step` apart, see kBytesAhead.
template <int R>
struct IntegerRows {
  int64_t row, step;
  const uint8_t* packed;  // the next run of the first one
  int64_t stepBytes;

  void load(int64_t left, __m512i (&words)[R]) {
    for (int r = 0; r < R; r++) {
      const uint8_t* at = packed + r * stepBytes;
      prefetch(reinterpret_cast<const char*>(at + kBytesAhead));
      words[r] = left >= 128 ? loadWords(at).v : loadWordsPart(at, static_cast<int>(left) / 8).v;
    }
    packed += 64;
  }
};

template <int M, int R>
inline void writeIntegerRows(const FourBitIntegersArgs& a, const IntegerRows<R>& rows, const __m512 (&sum)[R][M]) {
  const __m512 none = _mm512_setzero_ps();
  const bf16* bias = static_cast<const bf16*>(a.bias);
  alignas(16) bf16 four[4] = {}, result[4];
  for (int r = 0; r < R && bias != nullptr; r++) four[r] = bias[rows.row + r * rows.step];
  const Vec shift = loadPart(four, 4);
  for (int m = 0; m < M; m++) {
    __m128 sums = sumEach(sum[0][m], R > 1 ? sum[R > 1 ? 1 : 0][m] : none, R > 2 ? sum[R > 2 ? 2 : 0][m] : none,
                          R > 3 ? sum[R > 3 ? 3 : 0][m] : none);
    storePart(result, fma(Vec{_mm512_castps128_ps512(sums)}, splat(*packedRow(a, m).factor), shift), 4);
    bf16* y = static_cast<bf16*>(a.y) + m * a.yStride + rows.row;
    for (int r = 0; r < R; r++) y[r * rows.step] = result[r];
  }
}

template <int M, int R, bool Blocks64>
inline void integerRows(const FourBitIntegersArgs& a, const DigitTables& tables, const NestedValues& values,
                        int64_t row, int64_t step) {
  const int64_t rowBytes = a.columns / 2, blocks = a.columns >> a.w.blockShift;
  const int shift = Blocks64 ? 3 : a.w.blockShift - 3;  // from lanes to blocks
  IntegerRows<R> rows = {row, step, a.w.packed + row * rowBytes, step * rowBytes};
  const int8_t* x[M];
  const float *scales[M], *shifts[M];
  __m512i words[R];
  __m512 sum[R][M], scale[R][M];
  for (int m = 0; m < M; m++) {
    const PackedRow from = packedRow(a, m);
    x[m] = from.digits;
    scales[m] = from.scales;
    shifts[m] = from.shifts;
    for (int r = 0; r < R; r++) sum[r][m] = _mm512_setzero_ps();
  }
  int64_t left = a.columns;
  for (int64_t b = 0; b < blocks; b += 16) {
    __m512 weight[R];
    scalesOf<R>(a.w, values, row * blocks + b, step * blocks, blocks - b, weight);
    for (int r = 0; r < R; r++) {
      for (int m = 0; m < M; m++) {
        scale[r][m] = _mm512_mul_ps(weight[r], _mm512_loadu_ps(scales[m] + b));
        sum[r][m] = _mm512_fmadd_ps(scale[r][m], _mm512_loadu_ps(shifts[m] + b), sum[r][m]);
      }
    }
    __m512i lanes = laneIndices().v;
    const __m512i all = _mm512_set1_epi32(16);
    if (Blocks64 && left >= 1024) {
PEFTJAVA_UNROLL_8
      for (int i = 0; i < 8; i++, lanes = _mm512_add_epi32(lanes, all)) {
        rows.load(128, words);
        addIntegerRun<M, R>(tables, words, x, _mm512_srli_epi32(lanes, 3), scale, sum);
      }
      left -= 1024;
    } else {
      const int64_t end = left - (int64_t{128} << shift);
      for (; left > 0 && left > end; left -= 128, lanes = _mm512_add_epi32(lanes, all)) {
        rows.load(left, words);
        addIntegerRun<M, R>(tables, words, x, _mm512_srl_epi32(lanes, _mm_cvtsi32_si128(shift)), scale, sum);
      }
    }
  }
  writeIntegerRows<M, R>(a, rows, sum);
}

template <int M, bool Blocks64>
inline void integerRange(const FourBitIntegersArgs& a, int64_t begin, int64_t end) {
  constexpr int R = M <= 2 ? 4 : 3;  // as many sums as there are registers
  const DigitTables tables = digitTables(a);
  const NestedValues values(a.w);
  const int64_t step = (end - begin) / R;
  for (int64_t row = begin; row < begin + step; row++) integerRows<M, R, Blocks64>(a, tables, values, row, step);
  for (int64_t row = begin + R * step; row < end; row++) integerRows<M, 1, Blocks64>(a, tables, values, row, 1);
}

template <int M>
inline void integerRange(const FourBitIntegersArgs& a, int64_t begin, int64_t end) {
  return a.w.blockShift == 6 ? integerRange<M, true>(a, begin, end) : integerRange<M, false>(a, begin, end);
}

inline void fourBitIntegers(const FourBitIntegersArgs& a, int64_t begin, int64_t end) {
  switch (a.m) {
    case 1: return integerRange<1>(a, begin, end);
    case 2: return integerRange<2>(a, begin, end);
    case 3: return integerRange<3>(a, begin, end);
    default: return integerRange<4>(a, begin, end);
  }
}
