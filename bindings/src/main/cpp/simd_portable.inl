// Vectors of 4 floats in standard C++, left to the compiler's own vectoriser. Included inside the
// namespace of the portable kernels.

constexpr int kLanes = 4;

struct Vec {
  float v[kLanes];
};

template <typename F>
inline Vec eachLane(F f) {
  Vec result;
  for (int i = 0; i < kLanes; i++) result.v[i] = f(i);
  return result;
}

inline Vec splat(float value) {
  return eachLane([&](int) { return value; });
}
inline Vec operator+(Vec a, Vec b) {
  return eachLane([&](int i) { return a.v[i] + b.v[i]; });
}
inline Vec operator-(Vec a, Vec b) {
  return eachLane([&](int i) { return a.v[i] - b.v[i]; });
}
inline Vec operator*(Vec a, Vec b) {
  return eachLane([&](int i) { return a.v[i] * b.v[i]; });
}
inline Vec operator/(Vec a, Vec b) {
  return eachLane([&](int i) { return a.v[i] / b.v[i]; });
}
inline Vec root(Vec a) {
  return eachLane([&](int i) { return std::sqrt(a.v[i]); });
}
// Two roundings: std::fma is a slow library call where the hardware has none.
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }

/// The larger of the two; b where either is NaN.
inline Vec larger(Vec a, Vec b) {
  return eachLane([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}

/// test <= 0 ? 0 : value (a NaN test keeps value).
inline Vec zeroUnlessPositive(Vec test, Vec value) {
  return eachLane([&](int i) { return test.v[i] <= 0.0f ? 0.0f : value.v[i]; });
}

/// Bit i of keep set ? lane i : 0.
inline Vec keepLanes(uint32_t keep, Vec value) {
  return eachLane([&](int i) { return ((keep >> i) & 1u) ? value.v[i] : 0.0f; });
}

template <typename T>
inline Vec load(const T* p) {
  return eachLane([&](int i) { return toFloat(p[i]); });
}
template <typename T>
inline void store(T* p, Vec a) {
  for (int i = 0; i < kLanes; i++) put(p + i, a.v[i]);
}
template <typename T>
inline Vec loadPart(const T* p, int count) {
  return eachLane([&](int i) { return i < count ? toFloat(p[i]) : 0.0f; });
}
template <typename T>
inline void storePart(T* p, Vec a, int count) {
  for (int i = 0; i < count; i++) put(p + i, a.v[i]);
}
template <typename T>
inline void loadPair(const T* p, Vec& a, Vec& b) {
  a = load(p);
  b = load(p + kLanes);
}

inline float sumLanes(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
inline float largestLane(Vec a) {
  float result = a.v[0];
  for (int i = 1; i < kLanes; i++) result = a.v[i] > result ? a.v[i] : result;
  return result;
}

/// fraction * 2^power for integral power in [-126, 0].
inline Vec scaleByPowerOfTwo(Vec fraction, Vec power) {
  return eachLane([&](int i) {
    // What the float-to-int conversion would not define fails the test, NaN included.
    int32_t exponent = power.v[i] >= -126.0f ? static_cast<int32_t>(power.v[i]) + 127 : 1;
    uint32_t bits = static_cast<uint32_t>(exponent) << 23;
    float factor;
    std::memcpy(&factor, &bits, sizeof factor);
    return fraction.v[i] * factor;
  });
}
/// For |a| < 2^22: adding 1.5 * 2^23 leaves no fraction bits.
inline Vec nearestInteger(Vec a) {
  return eachLane([&](int i) { return (a.v[i] + 12582912.0f) - 12582912.0f; });
}
/// a < bound ? 0 : value.
inline Vec zeroBelow(Vec a, Vec bound, Vec value) {
  return eachLane([&](int i) { return a.v[i] < bound.v[i] ? 0.0f : value.v[i]; });
}

/// 4 words of 32 bits.
struct Words {
  uint32_t v[kLanes];
};
constexpr int kWordLanes = 4;
inline Words splatWord(uint32_t w) { return {{w, w, w, w}}; }
inline Words laneIndices() { return {{0, 1, 2, 3}}; }
inline Words operator+(Words a, Words b) {
  for (int i = 0; i < kWordLanes; i++) a.v[i] += b.v[i];
  return a;
}
inline Words operator^(Words a, Words b) {
  for (int i = 0; i < kWordLanes; i++) a.v[i] ^= b.v[i];
  return a;
}

/// The high and low words of a * factor.
inline void wideMultiply(Words a, uint32_t factor, Words& high, Words& low) {
  for (int i = 0; i < kWordLanes; i++) {
    uint64_t product = static_cast<uint64_t>(a.v[i]) * factor;
    high.v[i] = static_cast<uint32_t>(product >> 32);
    low.v[i] = static_cast<uint32_t>(product);
  }
}

/// Bit i set when lane i is >= bound, unsigned.
inline uint32_t atLeast(Words a, uint32_t bound) {
  uint32_t bits = 0;
  for (int i = 0; i < kWordLanes; i++) bits |= static_cast<uint32_t>(a.v[i] >= bound) << i;
  return bits;
}

/// 16 floats that a 4-bit code chooses from.
struct Table16 {
  const float* v;
};
inline Table16 loadTable(const float* p) { return {p}; }
/// By the low 4 bits of each word; the other bits may be anything.
inline Vec lookup(Table16 table, Words codes) {
  return eachLane([&](int i) { return table.v[codes.v[i] & 15u]; });
}

inline Words loadWordsPart(const uint8_t* p, int words) {
  Words result;
  for (int i = 0; i < kLanes; i++) {
    const uint8_t* b = p + 4 * i;
    result.v[i] = i >= words ? 0u
                             : static_cast<uint32_t>(b[0]) | static_cast<uint32_t>(b[1]) << 8 |
                                   static_cast<uint32_t>(b[2]) << 16 |
                                   static_cast<uint32_t>(b[3]) << 24;
  }
  return result;
}
inline Words loadWords(const uint8_t* p) { return loadWordsPart(p, kLanes); }
inline Words shiftRight(Words a, int bits) {
  for (int i = 0; i < kWordLanes; i++) a.v[i] >>= bits;
  return a;
}
/// The 4-bit codes of 2 bytes in order, the first of a byte in its high half.
inline Words nibbles(const uint8_t* p) {
  uint32_t first = p[0], second = p[1];
  return {{first >> 4, first & 15u, second >> 4, second & 15u}};
}
/// a > bound ? code + step : code.
inline Words addWhereGreater(Words code, Vec a, Vec bound, uint32_t step) {
  for (int i = 0; i < kWordLanes; i++) code.v[i] += a.v[i] > bound.v[i] ? step : 0u;
  return code;
}
/// The low byte of each word.
inline void storeBytes(uint8_t* p, Words a) {
  for (int i = 0; i < kWordLanes; i++) p[i] = static_cast<uint8_t>(a.v[i]);
}
inline Vec absolute(Vec a) {
  return eachLane([&](int i) { return std::fabs(a.v[i]); });
}
/// table[index[i]] in lane i.
inline Vec gather(const float* table, const uint8_t* index) {
  return eachLane([&](int i) { return table[index[i]]; });
}
/// The same by words.
inline Vec gather(const float* table, Words index) {
  return eachLane([&](int i) { return table[index.v[i]]; });
}
/// table[index] in each word.
inline Words gatherBytes(const uint8_t* table, Words index) {
  for (int i = 0; i < kWordLanes; i++) index.v[i] = table[index.v[i]];
  return index;
}
inline Words bitsOf(Vec a) {
  Words result;
  std::memcpy(result.v, a.v, sizeof result.v);
  return result;
}
/// Four lanes of each of the next kLanes / 4 floats.
inline Vec spread4(const float* p) { return splat(p[0]); }

/// The float of the eight lanes that these four are of.
inline Vec spread8(const float* p) { return splat(p[0]); }

/// The nearest integers, halves to even, of |a| < 2^22; 0 for NaN.
inline Words toWords(Vec a) {
  Words result;
  Vec nearest = nearestInteger(a);
  for (int i = 0; i < kLanes; i++) {
    bool fits = std::fabs(nearest.v[i]) < 4194304.0f;
    result.v[i] = static_cast<uint32_t>(fits ? static_cast<int32_t>(nearest.v[i]) : 0);
  }
  return result;
}
/// The floats of signed bytes.
inline Vec loadBytes(const int8_t* p) {
  return eachLane([&](int i) { return static_cast<float>(p[i]); });
}
/// Rounded to float16 and back; what is beyond its range stays.
inline Vec roundToHalf(Vec a) {
  return eachLane([&](int i) {
    float value = a.v[i], size = std::fabs(value);
    if (!(size < 65520.0f)) return value;
    // Below 2^-14 float16 has a fixed point, which is where 0.5 has its last bit.
    if (size < 6.103515625e-05f) return std::copysign((size + 0.5f) - 0.5f, value);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu;
    std::memcpy(&value, &bits, sizeof bits);
    return value;
  });
}

/// Sums of products of signed bytes, exact.
struct ByteDot {
  static constexpr int kBytes = 16;
  struct Bytes {
    int16_t v[kBytes];
  };
  struct Sum {
    int32_t v[kBytes];
  };
  static Bytes loadPart(const int8_t* p, int count) {
    Bytes result = {};
    for (int i = 0; i < count; i++) result.v[i] = p[i];
    return result;
  }
  static Bytes load(const int8_t* p) { return loadPart(p, kBytes); }
  static Sum zero() { return {}; }
  static Sum add(Sum sum, const Bytes& w, const Bytes& x) {
    for (int i = 0; i < kBytes; i++) sum.v[i] += w.v[i] * x.v[i];
    return sum;
  }
  static constexpr bool kShifted = false;
  static Sum addShift(Sum sum, const Bytes&) { return sum; }
  static int32_t total(const Sum& sum) {
    int32_t result = 0;
    for (int i = 0; i < kBytes; i++) result += sum.v[i];
    return result;
  }
};

/// Weight rows to take at once for m rows of x.
constexpr int rowsAtOnce(int m) { return m == 1 ? 4 : m <= 4 ? 2 : 1; }
