// AMX tiles: 16 rows of 64 bytes. C[i][j] += sum over p of A[i][2p] B[p][2j] + A[i][2p+1] B[p][2j+1]
// for bfloat16, and with groups of 4 terms for int8.

constexpr int64_t kTile = 512; // bfloat16 elements of a tile

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

/// C (2 x 2 tiles) = or += A (2 x steps) B (steps x 2).
inline void tileProduct(const bf16* a0, const bf16* a1, const bf16* b0, const bf16* b1,
                        int64_t steps, float* c, bool add) {
  if (add) {
    _tile_loadd(0, c, 64);
    _tile_loadd(1, c + 256, 64);
    _tile_loadd(2, c + 512, 64);
    _tile_loadd(3, c + 768, 64);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
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
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
  _tile_stored(2, c + 512, 64);
  _tile_stored(3, c + 768, 64);
}

/// Rows and columns of a 16 x 16 matrix of 32-bit elements change places.
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
PEFTJAVA_UNROLL_8
  for (int i = 0; i < 8; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
  }
}
