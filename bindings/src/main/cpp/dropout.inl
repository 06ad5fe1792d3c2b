// Dropout whose mask is a function of (seed, offset, element index), so that nothing is saved.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011)
// with key = seed and counter = (c, offset), 64 bits each, low word first. Element i takes word
// (i / 16) % 4 of counter c = 16 (i / 64) + i % 16: the layout in which 16 lanes running 16
// consecutive counters produce 64 consecutive elements without a transposition.

/// Words w[0..3] of counters (first + lane, high, offset).
inline void philox(Words first, uint32_t high, uint64_t offset, uint64_t seed, Words w[4]) {
  w[0] = first;
  w[1] = splatWord(high);
  w[2] = splatWord(static_cast<uint32_t>(offset));
  w[3] = splatWord(static_cast<uint32_t>(offset >> 32));
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    Words high0, low0, high1, low1;
    wideMultiply(w[0], 0xD2511F53u, high0, low0);
    wideMultiply(w[2], 0xCD9E8D57u, high1, low1);
    Words next0 = high1 ^ w[1] ^ splatWord(key0);
    Words next2 = high0 ^ w[3] ^ splatWord(key1);
    w[0] = next0;
    w[1] = low1;
    w[2] = next2;
    w[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// Bit i: element 64 block + i is kept.
inline uint64_t keepMask(const DropoutArgs& a, int64_t block) {
  uint64_t counter = static_cast<uint64_t>(block) * 16;  // a multiple of 16: lanes carry nothing
  uint64_t mask = 0;
  for (int lane = 0; lane < 16; lane += kWordLanes) {
    Words w[4];
    Words first = laneIndices() + splatWord(static_cast<uint32_t>(counter) + lane);
    philox(first, static_cast<uint32_t>(counter >> 32), a.offset, a.seed, w);
    for (int word = 0; word < 4; word++)
      mask |= static_cast<uint64_t>(atLeast(w[word], a.threshold)) << (16 * word + lane);
  }
  return mask;
}

/// Elements [from, to) of the masked array; x and y stand at the first of them.
template <typename X, typename Y, bool Add>
inline void dropoutSpan(const DropoutArgs& a, const X* x, Y* y, int64_t from, int64_t to) {
  Vec multiplier = splat(a.multiplier);
  for (int64_t i = from; i < to;) {
    int64_t block = i / 64;
    uint64_t mask = a.keepAll ? ~uint64_t{0} : a.dropAll ? 0 : keepMask(a, block);
    int64_t stop = 64 * (block + 1) < to ? 64 * (block + 1) : to;
    mask >>= i - 64 * block;
    for (; i < stop; i += kLanes, mask >>= kLanes) {
      int64_t left = stop - i;
      Vec kept = keepLanes(static_cast<uint32_t>(mask), loadUpTo(x + (i - from), left) * multiplier);
      storeUpTo(y + (i - from), Add ? loadUpTo(y + (i - from), left) + kept : kept, left);
    }
    i = stop;
  }
}

template <typename X, typename Y, bool Add>
void dropout(const DropoutArgs& a, int64_t begin, int64_t end) {
  int64_t from = 64 * begin, to = 64 * end < a.count ? 64 * end : a.count;
  dropoutSpan<X, Y, Add>(a, static_cast<const X*>(a.x) + from, static_cast<Y*>(a.y) + from, from, to);
}
