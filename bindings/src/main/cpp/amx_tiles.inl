// AMX tiles: 16 rows of 64 bytes. C[i][j] += sum over p of A[i][2p] B[p][2j] + A[i][2p+1] B[p][2j+1]
// for bfloat16, and with groups of 4 terms for int8.

constexpr int64_t kTile = 512; // bfloat16 elements of a tile

constexpr int64_t kTileRun = 128;    // columns of a run of the backward product
constexpr int64_t kTileSteps = 16;   // tiles along the sum that stay in a cache, of one part
constexpr int64_t kTileRows = 512;   // rows of x at a time
constexpr int64_t kTileColumns = 256;  // outputs at a time

/// The same for numbers in so many parts.
constexpr int64_t stepsOf(int parts) { return parts == 1 ? kTileSteps : 6; }

/// Where the tiles of 16 rows begin within panels of stepsOf(Parts) tiles along the sum.
template <int Parts>
inline int64_t tileOffset(int64_t tile, int64_t tiles, int64_t step, int64_t allSteps) {
  constexpr int64_t kSteps = stepsOf(Parts);
  int64_t panel = step / kSteps, left = allSteps - panel * kSteps;
  int64_t steps = left < kSteps ? left : kSteps;
  return ((panel * kSteps * tiles) + tile * steps + step % kSteps) * (Parts * kTile);
}

inline int64_t tilesFor(int64_t rows) { return (rows + 31) / 32 * 2; }

/// GCC's tile intrinsics do not say that they read memory: what was written before must be there.
inline void written() { __asm__ volatile("" ::: "memory"); }

/// Tiles of 16 rows, 0 to 5 of fewer if few are wanted, and 64 bytes; what another library set is back at the end.
class TileConfig {
 public:
  explicit TileConfig(int rows = 16) {
    _tile_storeconfig(before_);
    unsigned char config[64] = {1};
    for (int i = 0; i < 8; i++) {
      config[16 + 2 * i] = 64;
      config[48 + i] = static_cast<unsigned char>(i < 6 ? rows : 16);
    }
    written();
    _tile_loadconfig(config);
  }
  ~TileConfig() { _tile_loadconfig(before_); }

 private:
  unsigned char before_[64];
};

// Loads and products are set apart by operations that do nothing. Where the core's other hardware thread works too, they hold
// each other up if they are issued in one cycle: 4 loads and 4 products took 144 ns there, set apart 86 (alone 30 and 28).
#define PEFTJAVA_APART "\n\t.rept 8\n\tnop\n\t.endr"

template <int Tile>
inline void loadTile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" PEFTJAVA_APART : : "r"(from), "r"(stride), "i"(Tile));
}

/// C += A B of bfloat16, numbers of tile registers.
template <int C, int A, int B>
inline void addProduct() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" PEFTJAVA_APART : : "i"(C), "i"(A), "i"(B));
}

/// The same of int8.
template <int C, int A, int B>
inline void addByteProduct() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" PEFTJAVA_APART : : "i"(C), "i"(A), "i"(B));
}

#undef PEFTJAVA_APART

inline void zeroSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

/// Sums are float or int32.
template <typename T>
inline void storeSums(T* c) {
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
  _tile_stored(2, c + 512, 64);
  _tile_stored(3, c + 768, 64);
}

/// Adds A (2 x steps) B (steps x 2) to the sums in tiles 0 to 3.
inline void addTiles(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1, int64_t steps) {
  written();
  for (int64_t s = 0; s < steps; s++) {
    loadTile<4>(a0 + s * kTile, 64);
    loadTile<5>(b0 + s * kTile, 64);
    loadTile<6>(b1 + s * kTile, 64);
    loadTile<7>(a1 + s * kTile, 64);
    addProduct<0, 4, 5>();
    addProduct<1, 4, 6>();
    addProduct<2, 7, 5>();
    addProduct<3, 7, 6>();
  }
}

/// The same for B (steps x 1): a sum has to wait for the last product, so there are two, one for every other
/// step.
inline void addHalfTiles(const bf16* a0, const bf16* a1, const bf16* b, int64_t steps) {
  written();
  for (int64_t s = 0; s < steps; s += 2) {
    loadTile<4>(a0 + s * kTile, 64);
    loadTile<5>(b + s * kTile, 64);
    loadTile<6>(a1 + s * kTile, 64);
    addProduct<0, 4, 5>();
    addProduct<2, 6, 5>();
    if (s + 1 == steps) return;
    loadTile<4>(a0 + (s + 1) * kTile, 64);
    loadTile<7>(b + (s + 1) * kTile, 64);
    loadTile<6>(a1 + (s + 1) * kTile, 64);
    addProduct<1, 4, 7>();
    addProduct<3, 6, 7>();
  }
}

/// Adds the products of two tiles each of A and B, which are apart.
inline void addFourProducts() {
  addProduct<0, 4, 6>();
  addProduct<1, 4, 7>();
  addProduct<2, 5, 6>();
  addProduct<3, 5, 7>();
}

/// addTiles for numbers in three parts, the largest first. Small products come first; of the nine, the three below
/// 2^-25 of the number's are left out.
inline void addPartTiles(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1, int64_t steps) {
  written();
  for (int64_t s = 0; s < steps; s++, a0 += 3 * kTile, a1 += 3 * kTile, b0 += 3 * kTile, b1 += 3 * kTile) {
    loadTile<4>(a0 + 2 * kTile, 64);
    loadTile<5>(a1 + 2 * kTile, 64);
    loadTile<6>(b0, 64);
    loadTile<7>(b1, 64);
    addFourProducts();
    loadTile<4>(a0 + kTile, 64);
    loadTile<5>(a1 + kTile, 64);
    addFourProducts();
    loadTile<6>(b0 + kTile, 64);
    loadTile<7>(b1 + kTile, 64);
    addFourProducts();
    loadTile<4>(a0, 64);
    loadTile<5>(a1, 64);
    addFourProducts();
    loadTile<6>(b0 + 2 * kTile, 64);
    loadTile<7>(b1 + 2 * kTile, 64);
    addFourProducts();
    loadTile<6>(b0, 64);
    loadTile<7>(b1, 64);
    addFourProducts();
  }
}

/// C (2 x 2 tiles) = or += A (2 x steps) B (steps x 2).
template <int Parts>
inline void tileProduct(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1,
                        int64_t steps, float* c, bool add) {
  if constexpr (Parts == 3) {
    zeroSums();  // sums of few terms keep more of the small products
    addPartTiles(a0, a1, b0, b1, steps);
    if (!add) return storeSums(c);
    alignas(64) float sums[1024];
    storeSums(sums);
    for (int i = 0; i < 1024; i += kLanes) store(c + i, load(c + i) + load(sums + i));
  } else {
    if (add) {
      loadTile<0>(c, 64);
      loadTile<1>(c + 256, 64);
      loadTile<2>(c + 512, 64);
      loadTile<3>(c + 768, 64);
    } else {
      zeroSums();
    }
    addTiles(a0, a1, b0, b1, steps);
    storeSums(c);
  }
}

/// Up to 32 numbers, rounded.
inline void storeUpTo32(bf16* p, Vec low, Vec high, int64_t count) {
  __mmask32 mask = count >= 32 ? ~__mmask32{0} : (__mmask32{1} << count) - 1;
  _mm512_mask_storeu_epi16(p, mask, _mm512_inserti64x4(_mm512_castsi256_si512(narrow(low)), narrow(high), 1));
}
inline void storeUpTo32(float* p, Vec low, Vec high, int64_t count) {
  storeUpTo(p, low, count);
  if (count > kLanes) storeUpTo(p + kLanes, high, count - kLanes);
}
