// Products of up to 64 rows with 4-bit numbers (NF4, FP4) on tensor cores, straight from the codes.
//
// A block has 32 rows of the weight, which are the rows of two mma operands; rows of x are the other
// operand's columns, eight at a time. Its warps share the weight's columns out, 128 at a time, and add
// up at the end. A lane reads 16 bytes of codes at once and trades half of them with the lane two
// further, so that what it has of a block of 64 numbers is what its fragments need: the terms of a sum
// may come in any order, provided that those of x do too.
//
// Two codes become two numbers by one look-up: a byte's pair, of which each lane has a copy in a bank of
// its own. A block's scale multiplies the float32 sum of 64 terms. So the sixteen values are all that is
// rounded to T, in units that suit them (CudaFourBit has these): sums come nearer to those of the exact
// weight than with a dense matrix in T.
#include "blockwise.cuh"
#include "tiles.cuh"

constexpr int HEIGHT = 32;  // rows of the weight that a block has
constexpr int WIDTH = 128;  // columns that a warp takes at a time

/// Warps of a block, at most, for G groups of eight rows of x: so many have registers enough.
template <int G>
constexpr int MOST_WARPS = G <= 2 ? 16 : G <= 4 ? 12 : 8;

__device__ __forceinline__ u32 pairOf(bf16, float first, float second) { return twoBrains(first, second); }
__device__ __forceinline__ u32 pairOf(f16, float first, float second) { return twoHalves(first, second); }

/// The pairs of numbers that bytes stand for: that of byte b for lane l is at 32 b + l.
template <typename T>
__device__ __forceinline__ void fillPairs(uint4* pairs, const float* values, float units) {
  for (int i = threadIdx.x; i < 256 * WARP / 4; i += blockDim.x) {
    const int byte = i / (WARP / 4);
    const u32 pair = pairOf(T{}, values[byte >> 4] * units, values[byte & 15] * units);
    pairs[i] = make_uint4(pair, pair, pair, pair);
  }
}

/// What a lane reads of the weight for one tile of 32 x 128, and where it goes on. Lane 4 g + t has 16
/// bytes of codes of rows g, g + 8, g + 16 and g + 24, and two of the tile's 32 x 2 scales: those of half
/// t & 1 of rows g + 8 (t / 2) and 16 further. Rows that are too many are read as the last.
struct Reader {
  uint4 codes[4];
  float scale[2];  // of the block, or of the scales' own block
  u32 coded[2];

  const u8* source[4];
  u32 unit[2];  // of 64 numbers, where the scales are
  int column;   // of the codes

  __device__ __forceinline__ Reader(const u8* packed, i64 rows, int columns, int tile, int g, int t)
      : codes{}, scale{}, coded{}, column(tile * WIDTH + 32 * t) {
    const i64 first = (i64)blockIdx.x * HEIGHT + g;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const i64 row = first + 8 * i;
      source[i] = packed + ((row < rows ? row : rows - 1) * columns + column) / 2;
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const i64 row = first + 8 * (t / 2) + 16 * i;
      unit[i] = (u32)((row < rows ? row : rows - 1) * (columns / 64)) + 2 * tile + (t & 1);
    }
  }

  /// Asks for a tile's data, unless the row ends before, and goes on by so many tiles.
  __device__ __forceinline__ void load(const Scales& scales, int shift, int columns, int t, int by) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      loadOnce(codes[i], source[i], column < columns);
      source[i] += by * (WIDTH / 2);
    }
    const bool have = column - 32 * t + 64 * (t & 1) < columns;
#pragma unroll
    for (int i = 0; i < 2 && have; i++) {
      const u32 block = unit[i] >> (shift - 6);
      coded[i] = scales.absmax == nullptr ? scales.coded[block] : 0;
      scale[i] = scales.absmax == nullptr ? scales.nested[block >> 8] : scales.absmax[block];
    }
    unit[0] += by * (WIDTH / 64);
    unit[1] += by * (WIDTH / 64);
    column += by * WIDTH;
  }
};

/// Trades with the lane two further: lanes 0 and 1 of four have read the first 64 columns of a tile,
/// lanes 2 and 3 the others. Of both halves a lane then has words (of eight codes) 4 (t & 1) + t / 2
/// and that + 2, of each of its rows.
__device__ __forceinline__ void trade(const uint4* codes, int t, u32 (*words)[4][2]) {
  const bool back = t >= 2;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const uint4 own = codes[i];
    const u32 first = __shfl_xor_sync(FULL_WARP, back ? own.x : own.y, 2);
    const u32 second = __shfl_xor_sync(FULL_WARP, back ? own.z : own.w, 2);
    words[0][i][0] = back ? first : own.x;
    words[0][i][1] = back ? second : own.z;
    words[1][i][0] = back ? own.y : first;
    words[1][i][1] = back ? own.w : second;
  }
}

/// The fragments of 16 rows and 64 columns, four steps of 16, from a lane's words of rows g and g + 8.
__device__ __forceinline__ void decode(SharedAddress pairs, const u32 (*words)[2], u32 (*a)[4]) {
#pragma unroll
  for (int i = 0; i < 16; i++)
    a[i / 4][i % 4] = lookUp(pairs, words[i & 1][i / 8], i / 2 % 4);
}

/// A lane's 16 numbers of half a tile of a row of x: those of its codes.
struct Terms {
  uint4 piece[2];

  template <typename T>
  __device__ __forceinline__ void load(const T* x) {
    piece[0] = *(const uint4*)x;
    piece[1] = *(const uint4*)(x + 16);
  }
};

/// Adds 64 products to the sums of 16 rows of the weight with eight of x.
template <typename T>
__device__ __forceinline__ void addBlock(const u32 (*a)[4], const Terms& x, float scale, float scaleBelow,
                                         float* sum) {
  float part[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  addProduct(T{}, part, a[0], x.piece[0].x, x.piece[0].y);
  addProduct(T{}, part, a[1], x.piece[0].z, x.piece[0].w);
  addProduct(T{}, part, a[2], x.piece[1].x, x.piece[1].y);
  addProduct(T{}, part, a[3], x.piece[1].z, x.piece[1].w);
  sum[0] = fmaf(part[0], scale, sum[0]);
  sum[1] = fmaf(part[1], scale, sum[1]);
  sum[2] = fmaf(part[2], scaleBelow, sum[2]);
  sum[3] = fmaf(part[3], scaleBelow, sum[3]);
}

/// Adds up what the warps have, C groups of eight rows of x at a time, and writes y. `shelf` has room for
/// 288 C floats of each warp.
template <int G, int C, typename T>
__device__ __forceinline__ void finish(float* shelf, const float (*sum)[2][4], i64 rows, float scale,
                                       const T* bias, T* y, int m) {
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  constexpr int PITCH = HEIGHT + 4;  // lanes write to different banks
  constexpr int SHELF = 8 * C * PITCH;
#pragma unroll
  for (int group = 0; group < G; group += C) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 8 * C; i++) {
      const int column = 8 * (i / 8) + lane % 4 * 2 + i % 2;
      const int row = lane / 4 + 8 * (i / 2 % 4);
      shelf[warp * SHELF + column * PITCH + row] = sum[group + i / 8][i / 4 % 2][i % 4];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 8 * C * HEIGHT; i += blockDim.x) {
      const int row = i % HEIGHT, column = i / HEIGHT;
      float total = 0.0f;
      for (int w = 0; w < warps; w++) total += shelf[w * SHELF + column * PITCH + row];
      total *= scale;
      const i64 n = (i64)blockIdx.x * HEIGHT + row;
      const int k = 8 * group + column;
      if (n < rows && k < m)
        put(y + k * rows + n, bias == nullptr ? total : total + widen(bias[n]));
    }
  }
}

/// y[m, n] = sum_k x[m, k] w[n, k] + bias[n] for up to 8 G rows of x. Columns are a multiple of 64, blocks
/// of 64 at least. `units`: what values are multiplied with before they are rounded to T.
template <int G, typename T>
__device__ __forceinline__ void multiplyTiles(const u8* packed, const Scales& scales, const float* values,
                                              int shift, i64 rows, int columns, const T* x, const T* bias,
                                              T* y, int m, float units) {
  __shared__ uint4 pairs[256 * WARP / 4];
  __shared__ float table[16];
  __shared__ float nestedTable[256];
  constexpr int AHEAD = G <= 2 ? 2 : 4;  // loads of x that are under way
  const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  const int g = lane / 4, t = lane % 4;
  u32 offset[G];
#pragma unroll
  for (int j = 0; j < G; j++)
    offset[j] = (u32)(8 * j + g < m ? 8 * j + g : m - 1) * columns + 32 * (t & 1) + 8 * (t / 2);

  // What is far away first: the tables are made meanwhile.
  int tile = threadIdx.x / WARP;
  Reader weight(packed, rows, columns, tile, g, t);
  weight.load(scales, shift, columns, t, warps);
  Terms terms[AHEAD] = {};
#pragma unroll
  for (int p = 0; p < AHEAD; p++) {
    const int column = tile * WIDTH + 64 * (p / G);
    if (column < columns) terms[p].load(x + offset[p % G] + column);
  }
  copyTable(table, values, 16);
  if (scales.absmax == nullptr) copyTable(nestedTable, scales.values, 256);
  __syncthreads();
  fillPairs<T>(pairs, table, units);
  __syncthreads();

  const SharedAddress own = addressOf((const u32*)pairs + lane);
  float sum[G][2][4] = {};
  for (; tile * WIDTH < columns; tile += warps) {
    u32 words[2][4][2];
    trade(weight.codes, t, words);
    float scale[2];
#pragma unroll
    for (int i = 0; i < 2; i++)
      scale[i] = scales.absmax != nullptr
                     ? weight.scale[i]
                     : nestedTable[weight.coded[i]] * weight.scale[i] + scales.offset;
    weight.load(scales, shift, columns, t, warps);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (tile * WIDTH + 64 * half >= columns) break;  // the whole warp
      float rowScale[4];
#pragma unroll
      for (int i = 0; i < 4; i++)
        rowScale[i] = __shfl_sync(FULL_WARP, scale[i / 2], (lane & ~3) + half + 2 * (i & 1));
      u32 a[2][4][4];
      decode(own, words[half], a[0]);
      decode(own, words[half] + 2, a[1]);
#pragma unroll
      for (int j = 0; j < G; j++) {
        const int p = half * G + j;
        addBlock<T>(a[0], terms[p % AHEAD], rowScale[0], rowScale[1], sum[j][0]);
        addBlock<T>(a[1], terms[p % AHEAD], rowScale[2], rowScale[3], sum[j][1]);
        const int later = p + AHEAD;
        const int column = (later < 2 * G ? tile : tile + warps) * WIDTH + 64 * (later / G % 2);
        if (column < columns) terms[p % AHEAD].load(x + offset[later % G] + column);
      }
    }
  }
  finish<G, G <= 2 ? 1 : 2>((float*)pairs, sum, rows, 1.0f / units, bias, y, m);
}

#if defined(PEFTJAVA_EMULATION) || __CUDA_ARCH__ >= 800
#define BODY(G)                                                                                    \
  multiplyTiles<G>(packed, Scales{absmax, coded, nested, nestedValues, offset}, values, shift, rows, \
                   (int)columns, x, bias, y, m, units);
#else
#define BODY(G)  // nobody asks older cards
#endif

#define TILES(T, name, G)                                                                             \
  extern "C" __global__ void __launch_bounds__(WARP * MOST_WARPS<G>) fourBitTiles##G##name(           \
      const u8* packed, const float* absmax, const u8* coded, const float* nested,                    \
      const float* nestedValues, float offset, const float* values, int shift, i64 rows, i64 columns, \
      const T* x, const T* bias, T* y, int m, float units) {                                          \
    BODY(G)                                                                                           \
  }

#define KERNELS(T, name) \
  TILES(T, name, 1)      \
  TILES(T, name, 2)      \
  TILES(T, name, 4)      \
  TILES(T, name, 8)

KERNELS(f16, F16)
KERNELS(bf16, BF16)
