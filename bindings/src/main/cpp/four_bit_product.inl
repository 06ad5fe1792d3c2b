// Products of a few rows with a 4-bit weight, straight from its bytes.
//
// A vector of words holds 8 codes a lane. Shifted by 4 bits it is the index vector of the next look-up, which
// takes no notice of the higher bits: a code costs half a shift, a look-up and a product. So lane i of
// look-up e belongs to element 8 i + e of the run, and x comes in that order, see packedX. Blocks
// have 32 elements at least, so four lanes share a scale, whatever the block size, if the columns
// are a multiple of 32; other weights are made dense row by row.

constexpr int64_t kRun = 8 * kLanes;  // elements of a vector of words

/// The number of element e of each lane.
inline Vec lookupElement(Table16 table, Words words, int e) {
  return lookup(table, shiftRight(words, 4 * (e ^ 1)));
}

/// Scales of the blocks [first, first + count) of w, and a zero.
inline void blockScales(const FourBitArray& w, int64_t first, int64_t count, float* scales) {
  if (w.absmax != nullptr) {
    std::memcpy(scales, w.absmax + first, static_cast<size_t>(count) * sizeof(float));
  } else {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      int64_t block = first + i;
      Vec values = gather(w.nestedValues, w.absmax8 + block);
      if ((block & 255) <= 256 - kLanes) {
        store(scales + i, values * splat(w.nestedAbsmax[block >> 8]) + splat(w.offset));
      } else {
        for (int64_t b = i; b < i + kLanes; b++) scales[b] = scaleOf(w, first + b);
      }
    }
    for (; i < count; i++) scales[i] = scaleOf(w, first + i);
  }
  scales[count] = 0.0f;
}

/// Scales of the 32-element groups [first, first + count) of w, and zeros up to a whole run.
inline void groupScales(const FourBitArray& w, int64_t first, int64_t count, float* scales) {
  const int shift = w.blockShift - 5;
  int64_t group = first, last = first + count;
  if (w.absmax == nullptr && shift <= 1) {
    // Double quantization with small blocks: as many look-ups as a vector has lanes.
    float decoded[kLanes];
    while (group < last) {
      int64_t block = group >> shift;
      int64_t blocks = ((last - 1) >> shift) + 1 - block;
      if (blocks > kLanes) blocks = kLanes;
      if (blocks < kLanes || (block & 255) > 256 - kLanes) {
        if (blocks > 256 - (block & 255)) blocks = 256 - (block & 255);
        for (int64_t b = 0; b < blocks; b++) decoded[b] = scaleOf(w, block + b);
      } else {
        store(decoded, gather(w.nestedValues, w.absmax8 + block) * splat(w.nestedAbsmax[block >> 8]) +
                           splat(w.offset));
      }
      int64_t end = (block + blocks) << shift;
      if (end - group == 2 * kLanes && end <= last) {
        for (int i = 0; i < kLanes; i++, scales += 2) scales[0] = scales[1] = decoded[i];
        group = end;
      }
      if (end > last) end = last;
      for (; group < end; group++) *scales++ = decoded[(group >> shift) - block];
    }
  } else {
    for (; group < last; group++) *scales++ = scaleOf(w, group >> shift);
  }
  for (int64_t pad = count; pad % (kLanes / 4) != 0; pad++) *scales++ = 0.0f;
}

template <typename T, int M>
inline void writeRow(const FourBitProductArgs& a, int64_t row, const Vec (&sum)[M]) {
  float shift = a.bias == nullptr ? 0.0f : toFloat(static_cast<const T*>(a.bias)[row]);
  T* y = static_cast<T*>(a.y) + row;
  for (int m = 0; m < M; m++) put(y + m * a.yStride, sumLanes(sum[m]) + shift);
}

/// Adds the products of R rows' runs with the M rows of x to the sums: x is read once for all R. For
/// one row of x the scale is applied to sums, otherwise to weights.
template <int M, int R>
inline void addRun(const FourBitProductArgs& a, Table16 table, const Words (&words)[R],
                   const float* x, const Vec (&scale)[R], Vec (&sum)[R][M]) {
  Vec part[R];
PEFTJAVA_UNROLL_8
  for (int e = 0; e < 8; e++) {
    Vec w[R];
    for (int r = 0; r < R; r++) {
      w[r] = lookupElement(table, words[r], e);
      if (M > 1) w[r] = w[r] * scale[r];
    }
    for (int m = 0; m < M; m++) {
      Vec xs = load(x + m * a.xStride + e * kLanes);
      for (int r = 0; r < R; r++) {
        if (M > 1) {
          sum[r][m] = fma(w[r], xs, sum[r][m]);
        } else {
          part[r] = e == 0 ? w[r] * xs : fma(w[r], xs, part[r]);
        }
      }
    }
  }
  if (M == 1)
    for (int r = 0; r < R; r++) sum[r][0] = fma(part[r], scale[r], sum[r][0]);
}

/// How far ahead of itself a product asks for the bytes of each of the rows that it is at. It takes rows from all over its
/// range: where they are in pages of their own and read on and on, the hardware fetches ahead as well.
constexpr int64_t kBytesAhead = 2048;

/// R rows that are `step` apart. Whole blocks of 64 in a row, the usual case, have a scale each in the buffer; else
/// each group of 32.
template <typename T, int M, int R, bool Blocks64>
inline void fourBitRows(const FourBitProductArgs& a, Table16 table, int64_t row, int64_t step, float* buffer) {
  const int64_t groups = a.columns / 32, stride = groups + kLanes;
  for (int r = 0; r < R; r++) {
    if (Blocks64) {
      blockScales(a.w, (row + r * step) * (groups / 2), groups / 2, buffer + r * stride);
    } else {
      groupScales(a.w, (row + r * step) * groups, groups, buffer + r * stride);
    }
  }
  const uint8_t* packed = a.w.packed + row * a.columns / 2;
  Vec sum[R][M], scale[R];
  Words words[R];
  for (int r = 0; r < R; r++)
    for (int m = 0; m < M; m++) sum[r][m] = splat(0.0f);
  const int64_t stepBytes = step * a.columns / 2;
  int64_t k = 0;
  for (; k + kRun <= a.columns; k += kRun) {
    for (int r = 0; r < R; r++) {
      const uint8_t* at = packed + r * stepBytes + k / 2;
      prefetch(reinterpret_cast<const char*>(at + kBytesAhead));
      words[r] = loadWords(at);
      scale[r] = Blocks64 ? spread8(buffer + r * stride + k / 64)
                          : spread4(buffer + r * stride + k / 32);
    }
    addRun<M, R>(a, table, words, a.x + k, scale, sum);
  }
  if (k < a.columns) {
    for (int r = 0; r < R; r++) {
      words[r] = loadWordsPart(packed + r * stepBytes + k / 2, static_cast<int>(a.columns - k) / 8);
      scale[r] = Blocks64 ? spread8(buffer + r * stride + k / 64)
                          : spread4(buffer + r * stride + k / 32);
    }
    addRun<M, R>(a, table, words, a.x + k, scale, sum);
  }
  for (int r = 0; r < R; r++) writeRow<T, M>(a, row + r * step, sum[r]);
}

template <typename T, int M, bool Blocks64>
void fourBitRange(const FourBitProductArgs& a, int64_t begin, int64_t end) {
  constexpr int R = rowsAtOnce(M);
  const Table16 table = loadTable(a.w.values);
  std::vector<float> buffer(static_cast<size_t>(R * (a.columns / 32 + kLanes)));
  const int64_t step = (end - begin) / R;
  for (int64_t row = begin; row < begin + step; row++)
    fourBitRows<T, M, R, Blocks64>(a, table, row, step, buffer.data());
  for (int64_t row = begin + R * step; row < end; row++)
    fourBitRows<T, M, 1, Blocks64>(a, table, row, 1, buffer.data());
}

/// For columns that are no multiple of 32: x is in its own order, zeros behind.
template <typename T, int M>
void fourBitDenseRows(const FourBitProductArgs& a, int64_t begin, int64_t end) {
  std::vector<float> dense(static_cast<size_t>(a.columns + kLanes));
  for (int64_t row = begin; row < end; row++) {
    dequantizeSpan(a.w, row * a.columns, (row + 1) * a.columns, dense.data());
    Vec sum[M];
    for (int m = 0; m < M; m++) sum[m] = splat(0.0f);
    for (int64_t k = 0; k < a.columns; k += kLanes) {
      Vec w = loadUpTo(dense.data() + k, a.columns - k);
      for (int m = 0; m < M; m++) sum[m] = fma(w, load(a.x + m * a.xStride + k), sum[m]);
    }
    writeRow<T, M>(a, row, sum);
  }
}

template <typename T, int M>
void fourBitRowsOrDense(const FourBitProductArgs& a, int64_t begin, int64_t end) {
  if (a.w.blockShift == 6 && a.columns % 64 == 0) {
    fourBitRange<T, M, true>(a, begin, end);
  } else if (a.columns % 32 == 0) {
    fourBitRange<T, M, false>(a, begin, end);
  } else {
    fourBitDenseRows<T, M>(a, begin, end);
  }
}

template <typename T>
void fourBitProduct(const FourBitProductArgs& a, int64_t begin, int64_t end) {
  switch (a.m) {
    case 1: return fourBitRowsOrDense<T, 1>(a, begin, end);
    case 2: return fourBitRowsOrDense<T, 2>(a, begin, end);
    case 3: return fourBitRowsOrDense<T, 3>(a, begin, end);
    case 4: return fourBitRowsOrDense<T, 4>(a, begin, end);
    case 5: return fourBitRowsOrDense<T, 5>(a, begin, end);
    case 6: return fourBitRowsOrDense<T, 6>(a, begin, end);
    case 7: return fourBitRowsOrDense<T, 7>(a, begin, end);
    default: return fourBitRowsOrDense<T, 8>(a, begin, end);
  }
}

/// One run of columns for one or two rows of x, over all rows of w.
template <int M>
inline void columnRun(const FourBitProductArgs& a, int64_t column, const float* x, Vec (&sum)[M][8]) {
  constexpr int64_t kAhead = 16;  // rows: each is a jump that the hardware does not foresee
  const Table16 table = loadTable(a.w.values);
  const int shift = a.w.blockShift - 5;
  const int64_t groups = (a.columns - column < kRun ? a.columns - column : kRun) / 32;
  for (int m = 0; m < M; m++)
    for (int e = 0; e < 8; e++) sum[m][e] = splat(0.0f);
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t first = row * a.columns + column;
    const uint8_t* packed = a.w.packed + first / 2;
    prefetch(reinterpret_cast<const char*>(packed + kAhead * a.columns / 2));
    float scales[kLanes / 4 + 3] = {};
    for (int64_t g = 0; g < groups; g++) scales[g] = scaleOf(a.w, (first / 32 + g) >> shift);
    Words words = groups * 32 == kRun ? loadWords(packed)
                                      : loadWordsPart(packed, static_cast<int>(groups) * 4);
    Vec factor[M];
    for (int m = 0; m < M; m++) factor[m] = splat(x[m * a.xStride + row]) * spread4(scales);
PEFTJAVA_UNROLL_8
    for (int e = 0; e < 8; e++) {
      Vec w = lookupElement(table, words, e);
      for (int m = 0; m < M; m++) sum[m][e] = fma(w, factor[m], sum[m][e]);
    }
  }
}

/// The same for columns that are no multiple of 32; sums are in the order of the columns.
template <int M>
inline void denseColumnRun(const FourBitProductArgs& a, int64_t column, const float* x,
                           Vec (&sum)[M][8]) {
  const int64_t count = a.columns - column < kRun ? a.columns - column : kRun;
  float dense[kRun] = {};
  for (int m = 0; m < M; m++)
    for (int e = 0; e < 8; e++) sum[m][e] = splat(0.0f);
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t first = row * a.columns + column;
    dequantizeSpan(a.w, first, first + count, dense);
    for (int m = 0; m < M; m++) {
      Vec factor = splat(x[m * a.xStride + row]);
      for (int e = 0; e < 8; e++)
        sum[m][e] = fma(load(dense + e * kLanes), factor, sum[m][e]);
    }
  }
}

template <typename T, int M>
inline void writeColumns(const FourBitProductArgs& a, int64_t column, int m0, bool inRuns,
                         const Vec (&sum)[M][8]) {
  const T* bias = static_cast<const T*>(a.bias);
  for (int m = 0; m < M; m++) {
    float values[kRun];
    for (int e = 0; e < 8; e++) store(values + e * kLanes, sum[m][e]);
    T* y = static_cast<T*>(a.y) + (m0 + m) * a.yStride;
    for (int64_t i = 0; i < kRun && column + i < a.columns; i++) {
      float value = values[inRuns ? i % 8 * kLanes + i / 8 : i];
      put(y + column + i, bias == nullptr ? value : value + toFloat(bias[column + i]));
    }
  }
}

template <typename T, int M>
inline void columnRows(const FourBitProductArgs& a, int64_t column, int m0) {
  const bool inRuns = a.columns % 32 == 0;
  Vec sum[M][8];
  if (inRuns) {
    columnRun<M>(a, column, a.x + m0 * a.xStride, sum);
  } else {
    denseColumnRun<M>(a, column, a.x + m0 * a.xStride, sum);
  }
  writeColumns<T, M>(a, column, m0, inRuns, sum);
}

template <typename T>
void fourBitTransposed(const FourBitProductArgs& a, int64_t begin, int64_t end) {
  for (int64_t run = begin; run < end; run++) {
    int m = 0;
    for (; m + 2 <= a.m; m += 2) columnRows<T, 2>(a, run * kRun, m);
    if (m < a.m) columnRows<T, 1>(a, run * kRun, m);
  }
}
