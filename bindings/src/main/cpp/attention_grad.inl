// The gradient of attention; see attention.inl.

/// A row's weights and, from the gradients of the dropped weights in `grads`, those of the products q k.
inline void scoreGradients(const AttentionArgs& a, const AttendQuery& at, float delta, float* scores, float* grads,
                           float* slopes, int64_t end) {
  finishScores(a, scores, slopes, at);
  const Vec base = splat(a.logSums[at.index(a)]), middle = splat(delta), scale = splat(a.scale);
  const Vec multiplier = splat(a.dropout.multiplier);
  for (int64_t block = 0; block * 64 < end; block++) {
    uint64_t keep = a.drops ? keepMask(a.dropout, at.index(a) * ((a.keys + 63) / 64) + block) : ~uint64_t{0};
    int64_t stop = block * 64 + 64 < end ? block * 64 + 64 : end;
    for (int64_t i = block * 64; i < stop; i += kLanes, keep >>= kLanes) {
      if (i >= at.limit) {
        store(scores + i, splat(0.0f));
        store(grads + i, splat(0.0f));
        continue;
      }
      const uint32_t kept = static_cast<uint32_t>(keep);
      Vec score = load(scores + i);
      Vec weight = keepUpTo(expNonPositive(score - base), at.limit - i);
      Vec grad = keepLanes(kept, load(grads + i) * multiplier);
      Vec result = weight * (grad - middle) * scale;
      if (a.cap != 0) result = result * load(slopes + i);
      store(scores + i, keepLanes(kept, weight * multiplier));
      store(grads + i, keepUpTo(result, at.limit - i));
    }
  }
}

/// The gradients of a block of queries, whose part of those of keys and values is added to the sums.
template <typename T>
inline void attendBackward(const AttentionArgs& a, const AttendRoom& room, int64_t pair, int64_t first, int64_t last) {
  const int64_t width = room.width, count = last - first, seen = keysSeen(a, pair, first, last);
  float deltas[kQueryRows];
  for (int64_t row = first; row < last; row++) {
    AttendQuery at(a, pair, row);
    const int64_t place = (row - first) * width;
    floatRows(rowOf<T>(a.q, at.batch, at.head, at.token), 0, 1, a.size, width, room.q + place);
    floatRows(rowOf<T>(a.g, at.batch, at.head, at.token), 0, 1, a.size, width, room.g + place);
    floatRows(rowOf<T>(a.y, at.batch, at.head, at.token), 0, 1, a.size, width, room.out);
    deltas[row - first] = dotRows(room.g + place, room.out, width);
  }
  panelProduct(a, room, room.q, room.keyPanels, room.scores, count, seen);
  panelProduct(a, room, room.g, room.valuePanels, room.grads, count, seen);
  for (int64_t row = first; row < last; row++) {
    const int64_t place = (row - first) * room.keys;
    scoreGradients(a, AttendQuery(a, pair, row), deltas[row - first], room.scores + place, room.grads + place,
                   a.cap == 0 ? nullptr : room.slopes, seen);
  }
  attendProduct(room.scores, 1, room.keys, room.g, width, room.valueSums, width, seen, width, count, true);
  attendProduct(room.grads, 1, room.keys, room.q, width, room.keySums, width, seen, width, count, true);
  attendProduct(room.grads, room.keys, 1, room.keyRows, width, room.out, width, count, width, seen, false);
  for (int64_t row = first; row < last; row++) {
    AttendQuery at(a, pair, row);
    storeRow(a, room.out + (row - first) * width, 1.0f, targetRow<T>(a.gq, at.batch, at.head, at.token));
  }
}

/// Index space: pairs of batch and key head, whose queries are summed in order.
template <typename T>
void attentionGrad(const AttentionArgs& a, int64_t begin, int64_t end) {
  AttendRoom room(a, true);
  const int64_t rows = a.heads / a.keyHeads * a.queries, width = room.width;
  for (int64_t pair = begin; pair < end; pair++) {
    const int64_t batch = pair / a.keyHeads, keyHead = pair % a.keyHeads;
    transposedPanels(rowOf<T>(a.k, batch, keyHead, 0), a.k.token, a.keys, a.size, room.keyPanels);
    transposedPanels(rowOf<T>(a.v, batch, keyHead, 0), a.v.token, a.keys, a.size, room.valuePanels);
    floatRows(rowOf<T>(a.k, batch, keyHead, 0), a.k.token, a.keys, a.size, width, room.keyRows);
    std::memset(room.keySums, 0, sizeof(float) * static_cast<size_t>(room.keys * width));
    std::memset(room.valueSums, 0, sizeof(float) * static_cast<size_t>(room.keys * width));
    for (int64_t first = 0; first < rows; first += kQueryRows)
      attendBackward<T>(a, room, pair, first, first + kQueryRows < rows ? first + kQueryRows : rows);
    for (int64_t s = 0; s < a.keys; s++) {
      storeRow(a, room.keySums + s * width, 1.0f, targetRow<T>(a.gk, batch, keyHead, s));
      storeRow(a, room.valueSums + s * width, 1.0f, targetRow<T>(a.gv, batch, keyHead, s));
    }
  }
}
