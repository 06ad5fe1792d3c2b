// Blockwise 4-bit numbers: x = value(code) absmax, in float32, rounded once to the type wanted.

/// The scale of one block. Two roundings, as in the separate passes of bitsandbytes.
inline float scaleOf(const FourBitArray& w, int64_t block) {
  if (w.absmax != nullptr) return w.absmax[block];
  return w.nestedValues[w.absmax8[block]] * w.nestedAbsmax[block >> 8] + w.offset;
}

inline uint32_t codeOf(const FourBitArray& w, int64_t i) {
  return (w.packed[i >> 1] >> ((i & 1) == 0 ? 4 : 0)) & 15u;
}

/// The numbers [first, last) of w in their order.
template <typename T>
inline void dequantizeSpan(const FourBitArray& w, int64_t first, int64_t last, T* y) {
  const Table16 table = loadTable(w.values);
  for (int64_t i = first; i < last;) {
    int64_t block = i >> w.blockShift;
    int64_t end = (block + 1) << w.blockShift;
    if (end > last) end = last;
    float scale = scaleOf(w, block);
    if ((i & 1) != 0) put(y++, w.values[codeOf(w, i++)] * scale);
    const Vec factor = splat(scale);
    for (; i + kLanes <= end; i += kLanes, y += kLanes)
      store(y, lookup(table, nibbles(w.packed + (i >> 1))) * factor);
    for (; i < end; i++) put(y++, w.values[codeOf(w, i)] * scale);
  }
}

template <typename T>
void fourBitDequantize(const FourBitDequantizeArgs& a, int64_t begin, int64_t end) {
  int64_t last = end * kFourBitPiece;
  if (last > a.count) last = a.count;
  dequantizeSpan(a.w, a.first + begin * kFourBitPiece, a.first + last,
                 static_cast<T*>(a.y) + begin * kFourBitPiece);
}

/// absmax[b] = max |x|, NaN unless all are finite; code = number of thresholds below x / absmax.
template <typename T>
void fourBitQuantize(const FourBitQuantizeArgs& a, int64_t begin, int64_t end) {
  const Table16 thresholds = loadTable(a.thresholds);
  const int64_t size = static_cast<int64_t>(1) << a.blockShift;
  uint8_t codes[4096 + 1];
  for (int64_t block = begin; block < end; block++) {
    const T* x = static_cast<const T*>(a.x) + (block << a.blockShift);
    int64_t count = a.count - (block << a.blockShift);
    if (count > size) count = size;
    Vec largest = splat(0.0f), wrong = splat(0.0f);
    for (int64_t i = 0; i < count; i += kLanes) {
      Vec v = loadUpTo(x + i, count - i);
      largest = larger(absolute(v), largest);
      wrong = fma(v, splat(0.0f), wrong);
    }
    float absmax = largestLane(largest);
    a.absmax[block] = absmax + sumLanes(wrong);
    // The least scale has a finite inverse.
    const Vec inverse = splat(1.0f / (absmax < 1e-38f ? 1e-38f : absmax));
    for (int64_t i = 0; i < count; i += kLanes) {
      Vec v = loadUpTo(x + i, count - i) * inverse;
      Vec key = a.magnitudes ? absolute(v) : v;
      Words code = splatWord(0);
      for (uint32_t step = 8; step != 0; step /= 2)
        code = addWhereGreater(code, key, lookup(thresholds, code + splatWord(step - 1)), step);
      uint8_t bytes[kLanes], signs[kLanes];
      storeBytes(bytes, code);
      storeBytes(signs, addWhereGreater(splatWord(0), splat(0.0f), v, a.magnitudes ? 8 : 0));
      int64_t left = count - i < kLanes ? count - i : kLanes;
      for (int64_t lane = 0; lane < left; lane++)
        codes[i + lane] = static_cast<uint8_t>(a.codes[bytes[lane]] | signs[lane]);
    }
    codes[count] = a.zero;
    uint8_t* packed = a.packed + ((block << a.blockShift) >> 1);
    for (int64_t i = 0; i < count; i += 2)
      packed[i >> 1] = static_cast<uint8_t>(codes[i] << 4 | codes[i + 1]);
  }
}
