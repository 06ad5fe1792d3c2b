// Attention, softmax(scale q k^T + mask) v, and its gradient, without the matrix of scores in memory.
//
// Rows are the queries of all heads that share a key, a block of kQueryRows at a time; their scores stay in
// a cache. Everything is float inside. The backward pass makes the scores again from the logarithm of each
// row's sum, as FlashAttention (Dao et al., arXiv:2205.14135) does, and draws its dropout mask again.

/// Room of one thread.
struct AttendRoom {
  int64_t width;   // size of a head, in whole vectors
  int64_t keys;    // keys, in whole panels
  float *q, *g, *out;                   // (kQueryRows, width)
  float *scores, *grads, *slopes;       // (kQueryRows, keys), slopes one row
  float *keyPanels, *valuePanels;       // (panel, size, kPanel)
  float *keyRows, *valueRows, *keySums, *valueSums;  // (keys, width)

  AttendRoom(const AttentionArgs& a, bool backward) {
    static thread_local std::vector<char> buffer;
    width = roundUp(a.size, kLanes);
    keys = roundUp(a.keys, kPanel);
    int64_t rows = kQueryRows * width, scoresSize = kQueryRows * keys + kPanel;
    int64_t all = keys * width + kQueryRows * width;  // with slack for whole groups of rows
    float* p = alignedTo64<float>(buffer, 3 * rows + 2 * scoresSize + keys + (backward ? 5 : 2) * all);
    auto take = [&p](int64_t count) {
      float* start = p;
      p += roundUp(count, 16);
      return start;
    };
    q = take(rows);
    g = take(rows);
    out = take(rows);
    scores = take(scoresSize);
    grads = take(scoresSize);
    slopes = take(keys);
    keyPanels = take(all);
    if (backward) {
      valuePanels = take(all);
      keyRows = take(all);
      keySums = take(all);
      valueSums = take(all);
      valueRows = nullptr;
    } else {
      valueRows = take(all);
      valuePanels = keyRows = keySums = valueSums = nullptr;
    }
  }
};

template <typename T>
inline const T* rowOf(const AttentionOperand& x, int64_t batch, int64_t head, int64_t token) {
  return static_cast<const T*>(x.data) + batch * x.batch + head * x.head + token * x.token;
}
template <typename T>
inline T* targetRow(const AttentionOperand& x, int64_t batch, int64_t head, int64_t token) {
  return const_cast<T*>(rowOf<T>(x, batch, head, token));
}

/// count rows of a head as floats; the columns past the end are 0.
template <typename T>
inline void floatRows(const T* from, int64_t stride, int64_t count, int64_t size, int64_t width, float* to) {
  for (int64_t row = 0; row < count; row++)
    for (int64_t i = 0; i < width; i += kLanes)
      store(to + row * width + i, i < size ? loadUpTo(from + row * stride + i, size - i) : splat(0.0f));
}

/// The transpose in panels of kPanel columns, one for each row given.
template <typename T>
inline void transposedPanels(const T* from, int64_t stride, int64_t count, int64_t size, float* to) {
  for (int64_t first = 0; first < count; first += kPanel) {
    float* panel = to + first * size;
    int64_t rows = count - first < kPanel ? count - first : kPanel;
    for (int64_t row = 0; row < rows; row++)
      for (int64_t i = 0; i < size; i++) panel[i * kPanel + row] = toFloat(from[(first + row) * stride + i]);
    for (int64_t row = rows; row < kPanel; row++)
      for (int64_t i = 0; i < size; i++) panel[i * kPanel + row] = 0.0f;
  }
}

/// scores (rows, keys) = x (rows, width) panels.
inline void panelProduct(const AttentionArgs& a, const AttendRoom& room, const float* x, const float* panels,
                         float* scores, int64_t rows, int64_t keys) {
  for (int64_t first = 0; first < keys; first += kPanel)
    attendProduct(x, room.width, 1, panels + first * a.size, kPanel, scores + first, room.keys, rows, kPanel,
                  a.size, false);
}

/// One query: where it is, and which keys it may see.
struct AttendQuery {
  int64_t batch, head, token, limit;

  AttendQuery(const AttentionArgs& a, int64_t pair, int64_t row) {
    batch = pair / a.keyHeads;
    head = pair % a.keyHeads * (a.heads / a.keyHeads) + row / a.queries;
    token = row % a.queries;
    limit = a.causal && token + 1 < a.keys ? token + 1 : a.keys;
  }
  int64_t index(const AttentionArgs& a) const { return (batch * a.heads + head) * a.queries + token; }
};

inline Vec tanhOf(Vec x) {
  Vec minus = splat(0.0f) - x;
  Vec small = expNonPositive(splat(-2.0f) * larger(x, minus));
  Vec size = (splat(1.0f) - small) / (splat(1.0f) + small);
  return zeroUnlessPositive(x, size) - zeroUnlessPositive(minus, size);
}

/// What the softmax takes, from products: scaled, bounded, with the mask added. Its largest element. `slopes`, if
/// wanted, are the bound's derivatives.
template <typename M>
inline float finishScores(const AttentionArgs& a, float* scores, float* slopes, const M* mask, int64_t count) {
  const Vec scale = splat(a.scale), cap = splat(a.cap), inverse = splat(a.cap != 0 ? 1.0f / a.cap : 0.0f);
  Vec top = splat(-std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < count; i += kLanes) {
    int64_t left = count - i;
    Vec x = load(scores + i) * scale;
    if (a.cap != 0) {
      Vec bounded = tanhOf(x * inverse);
      x = cap * bounded;
      if (slopes != nullptr) store(slopes + i, splat(1.0f) - bounded * bounded);
    }
    if (mask != nullptr) x = x + loadUpTo(mask + i, left);
    store(scores + i, x);
    if (left >= kLanes) {
      top = larger(x, top);
    } else {
      float last[kLanes], most = largestLane(top);
      store(last, x);
      for (int64_t j = 0; j < left; j++) most = last[j] > most ? last[j] : most;
      top = splat(most);
    }
  }
  return largestLane(top);
}

inline float finishScores(const AttentionArgs& a, float* scores, float* slopes, const AttendQuery& at) {
  if (a.mask.data == nullptr) return finishScores<float>(a, scores, slopes, nullptr, at.limit);
  if (a.maskType == kBFloat16)
    return finishScores(a, scores, slopes, rowOf<bf16>(a.mask, at.batch, at.head, at.token), at.limit);
  return finishScores(a, scores, slopes, rowOf<float>(a.mask, at.batch, at.head, at.token), at.limit);
}

/// scores become exp(score - shift), dropped where the mask says so, and 0 up to `end`. The sum of all, dropped
/// or not.
inline float exponentials(const AttentionArgs& a, float* scores, const AttendQuery& at, float shift, int64_t end) {
  const Vec base = splat(shift);
  Vec sum = splat(0.0f);
  for (int64_t block = 0; block * 64 < end; block++) {
    uint64_t keep = a.drops ? keepMask(a.dropout, at.index(a) * ((a.keys + 63) / 64) + block) : ~uint64_t{0};
    int64_t stop = block * 64 + 64 < end ? block * 64 + 64 : end;
    for (int64_t i = block * 64; i < stop; i += kLanes, keep >>= kLanes) {
      Vec e = i < at.limit ? keepUpTo(expNonPositive(load(scores + i) - base), at.limit - i) : splat(0.0f);
      sum = sum + e;
      store(scores + i, keepLanes(static_cast<uint32_t>(keep), e));
    }
  }
  return sumLanes(sum);
}

inline float finite(float top) { return top == -std::numeric_limits<float>::infinity() ? 0.0f : top; }

/// Ends a row of the forward pass: its weights, how they are scaled, and the logarithm of their sum.
inline float weightsOf(const AttentionArgs& a, float* scores, const AttendQuery& at, int64_t end) {
  float top = finite(finishScores(a, scores, nullptr, at));
  float sum = exponentials(a, scores, at, top, end);
  if (a.logSums != nullptr)
    a.logSums[at.index(a)] = sum == 0 ? std::numeric_limits<float>::infinity() : top + std::log(sum);
  return sum == 0 ? 0.0f : a.dropout.multiplier / sum;
}

template <typename T>
inline void storeRow(const AttentionArgs& a, const float* from, float factor, T* to) {
  Vec scale = splat(factor);
  for (int64_t i = 0; i < a.size; i += kLanes) storeUpTo(to + i, load(from + i) * scale, a.size - i);
}

inline float dotRows(const float* a, const float* b, int64_t width) {
  Vec sum = splat(0.0f);
  for (int64_t i = 0; i < width; i += kLanes) sum = fma(load(a + i), load(b + i), sum);
  return sumLanes(sum);
}

/// Keys that the queries [first, last) of a pair may see.
inline int64_t keysSeen(const AttentionArgs& a, int64_t pair, int64_t first, int64_t last) {
  int64_t most = 0;
  for (int64_t row = first; row < last; row++) {
    int64_t limit = AttendQuery(a, pair, row).limit;
    most = limit > most ? limit : most;
  }
  return most;
}

/// So few queries that each key and value is read once, where it is. Index space: pairs of batch and key head.
template <typename T>
inline void attendFew(const AttentionArgs& a, int64_t begin, int64_t end) {
  AttendRoom room(a, false);
  const int64_t rows = a.heads / a.keyHeads * a.queries, width = room.width;
  for (int64_t pair = begin; pair < end; pair++) {
    const int64_t batch = pair / a.keyHeads, keyHead = pair % a.keyHeads;
    for (int64_t row = 0; row < rows; row++) {
      AttendQuery at(a, pair, row);
      floatRows(rowOf<T>(a.q, batch, at.head, at.token), 0, 1, a.size, width, room.q + row * width);
    }
    for (int64_t s = 0; s < a.keys; s++) {
      const T* key = rowOf<T>(a.k, batch, keyHead, s);
      prefetch(reinterpret_cast<const char*>(key + 8 * a.k.token));
      for (int64_t row = 0; row < rows; row++) {
        Vec sum = splat(0.0f);
        const float* q = room.q + row * width;
        for (int64_t i = 0; i < a.size; i += kLanes) sum = fma(load(q + i), loadUpTo(key + i, a.size - i), sum);
        room.scores[row * room.keys + s] = sumLanes(sum);
      }
    }
    float factors[kFewQueries];
    for (int64_t row = 0; row < rows; row++) {
      AttendQuery at(a, pair, row);
      factors[row] = weightsOf(a, room.scores + row * room.keys, at, a.keys);
      for (int64_t i = 0; i < width; i += kLanes) store(room.out + row * width + i, splat(0.0f));
    }
    for (int64_t s = 0; s < a.keys; s++) {
      const T* value = rowOf<T>(a.v, batch, keyHead, s);
      prefetch(reinterpret_cast<const char*>(value + 8 * a.v.token));
      for (int64_t row = 0; row < rows; row++) {
        Vec weight = splat(room.scores[row * room.keys + s]);
        float* out = room.out + row * width;
        for (int64_t i = 0; i < a.size; i += kLanes)
          store(out + i, fma(weight, loadUpTo(value + i, a.size - i), load(out + i)));
      }
    }
    for (int64_t row = 0; row < rows; row++) {
      AttendQuery at(a, pair, row);
      storeRow(a, room.out + row * width, factors[row], targetRow<T>(a.y, batch, at.head, at.token));
    }
  }
}

/// Index space: blocks of queries of a pair of batch and key head; for few queries, these pairs.
template <typename T>
void attention(const AttentionArgs& a, int64_t begin, int64_t end) {
  const int64_t rows = a.heads / a.keyHeads * a.queries;
  if (rows <= kFewQueries) return attendFew<T>(a, begin, end);
  AttendRoom room(a, false);
  const int64_t blocks = (rows + kQueryRows - 1) / kQueryRows, width = room.width;
  int64_t packed = -1;
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t pair = unit / blocks, first = unit % blocks * kQueryRows;
    const int64_t last = first + kQueryRows < rows ? first + kQueryRows : rows, count = last - first;
    const int64_t batch = pair / a.keyHeads, keyHead = pair % a.keyHeads;
    if (packed != pair) {
      transposedPanels(rowOf<T>(a.k, batch, keyHead, 0), a.k.token, a.keys, a.size, room.keyPanels);
      floatRows(rowOf<T>(a.v, batch, keyHead, 0), a.v.token, a.keys, a.size, width, room.valueRows);
      packed = pair;
    }
    for (int64_t row = first; row < last; row++) {
      AttendQuery at(a, pair, row);
      floatRows(rowOf<T>(a.q, batch, at.head, at.token), 0, 1, a.size, width, room.q + (row - first) * width);
    }
    const int64_t seen = keysSeen(a, pair, first, last);
    panelProduct(a, room, room.q, room.keyPanels, room.scores, count, seen);
    float factors[kQueryRows];
    for (int64_t row = first; row < last; row++)
      factors[row - first] =
          weightsOf(a, room.scores + (row - first) * room.keys, AttendQuery(a, pair, row), seen);
    attendProduct(room.scores, room.keys, 1, room.valueRows, width, room.out, width, count, width, seen, false);
    for (int64_t row = first; row < last; row++) {
      AttendQuery at(a, pair, row);
      storeRow(a, room.out + (row - first) * width, factors[row - first],
               targetRow<T>(a.y, batch, at.head, at.token));
    }
  }
}
