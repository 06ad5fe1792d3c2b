// AMX tiles: 16 rows of 64 bytes. C[i][j] += sum over p of A[i][2p] B[p][2j] + A[i][2p+1] B[p][2j+1]
// for bfloat16, and with groups of 4 terms for int8.

constexpr int64_t kTile = 512; // bfloat16 elements of a tile

constexpr int64_t kTileRun = 128;    // columns of a run of the backward product
constexpr int64_t kTileSteps = 16;   // tiles along the sum that stay in a cache
constexpr int64_t kTileRows = 512;   // rows of x at a time
constexpr int64_t kTileColumns = 256;  // outputs at a time

/// Where the tiles of 16 rows begin within panels of kTileSteps tiles along the sum.
inline int64_t tileOffset(int64_t tile, int64_t tiles, int64_t step, int64_t allSteps) {
  int64_t panel = step / kTileSteps, left = allSteps - panel * kTileSteps;
  int64_t steps = left < kTileSteps ? left : kTileSteps;
  return ((panel * kTileSteps * tiles) + tile * steps + step % kTileSteps) * kTile;
}

inline int64_t tilesFor(int64_t rows) { return (rows + 31) / 32 * 2; }

/// Tiles of 16 rows and 64 bytes; what another library set is back at the end.
class TileConfig {
 public:
  TileConfig() {
    _tile_storeconfig(before_);
    unsigned char config[64] = {1};
    for (int i = 0; i < 8; i++) {
      config[16 + 2 * i] = 64;
      config[48 + i] = 16;
    }
    _tile_loadconfig(config);
  }
  ~TileConfig() { _tile_loadconfig(before_); }

 private:
  unsigned char before_[64];
};

inline void zeroSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline void storeSums(float* c) {
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
  _tile_stored(2, c + 512, 64);
  _tile_stored(3, c + 768, 64);
}

/// Adds A (2 x steps) B (steps x 2) to the sums in tiles 0 to 3.
inline void addTiles(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1, int64_t steps) {
  for (int64_t s = 0; s < steps; s++) {
    _tile_loadd(4, a0 + s * kTile, 64);
    _tile_loadd(5, b0 + s * kTile, 64);
    _tile_loadd(6, b1 + s * kTile, 64);
    _tile_loadd(7, a1 + s * kTile, 64);
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 7, 5);
    _tile_dpbf16ps(3, 7, 6);
  }
}

/// The same for B (steps x 1): a sum has to wait for the last product, so there are two, one for every other
/// step.
inline void addHalfTiles(const bf16* a0, const bf16* a1, const bf16* b, int64_t steps) {
  for (int64_t s = 0; s < steps; s += 2) {
    _tile_loadd(4, a0 + s * kTile, 64);
    _tile_loadd(5, b + s * kTile, 64);
    _tile_loadd(6, a1 + s * kTile, 64);
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(2, 6, 5);
    if (s + 1 == steps) return;
    _tile_loadd(4, a0 + (s + 1) * kTile, 64);
    _tile_loadd(7, b + (s + 1) * kTile, 64);
    _tile_loadd(6, a1 + (s + 1) * kTile, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(3, 6, 7);
  }
}

/// C (2 x 2 tiles) = or += A (2 x steps) B (steps x 2).
inline void tileProduct(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1,
                        int64_t steps, float* c, bool add) {
  if (add) {
    _tile_loadd(0, c, 64);
    _tile_loadd(1, c + 256, 64);
    _tile_loadd(2, c + 512, 64);
    _tile_loadd(3, c + 768, 64);
  } else {
    zeroSums();
  }
  addTiles(a0, a1, b0, b1, steps);
  storeSums(c);
}

/// Up to 32 numbers, rounded.
inline void storeUpTo32(bf16* p, Vec low, Vec high, int64_t count) {
  __mmask32 mask = count >= 32 ? ~__mmask32{0} : (__mmask32{1} << count) - 1;
  _mm512_mask_storeu_epi16(p, mask, _mm512_inserti64x4(_mm512_castsi256_si512(narrow(low)), narrow(high), 1));
}
