// Matrix products in bf16 on processors with AMX, for one thread each; kernels.py falls back to torch on others.
//
// A tile is 16 rows of 64 bytes. A right operand lies in "pairs": tile (block of 16 columns, block of 32 rows) holds rows
// 2p and 2p+1 of its block interleaved in its row p. Blocks of 32 x 32 results are kept in four tiles.
// Source of the layout: Intel's Architecture Instruction Set Extensions Programming Reference, chapter AMX, TDPBF16PS.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

typedef uint16_t bf16;

// Asks the kernel for the tile registers. 1: they may be used.
int amx_ready(void) {
#ifdef __AMX_BF16__
  return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */) == 0;
#else
  return 0;
#endif
}

#ifdef __AMX_BF16__

static void configure(void) {
  struct {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config;
  memset(&config, 0, sizeof config);
  config.palette = 1;
  for (int i = 0; i < 8; i++) {
    config.bytes[i] = 64;
    config.rows[i] = 16;
  }
  _tile_loadconfig(&config);
}

// w [m, k] as right operand of x @ w^T: columns are w's rows.
void pack_transposed(const bf16* w, bf16* out, long m, long k) {
  for (long mb = 0; mb < m / 16; mb++)
    for (long kb = 0; kb < k / 32; kb++) {
      uint32_t* tile = (uint32_t*)(out + (mb * (k / 32) + kb) * 512);
      for (long j = 0; j < 16; j++) {
        const uint32_t* row = (const uint32_t*)(w + (mb * 16 + j) * k + kb * 32);
        for (long p = 0; p < 16; p++) tile[p * 16 + j] = row[p];
      }
    }
}

// Interleaves two rows of 16.
static inline __m512i interleave(const bf16* a, const bf16* b) {
  __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)a));
  __m512i y = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)b));
  return _mm512_or_si512(x, _mm512_slli_epi32(y, 16));
}

// w [m, k] as right operand of y @ w: columns are w's columns. Rows beyond m are zero up to the next 32.
static void pack_rows(const bf16* w, long ld, bf16* out, long m, long k) {
  static const bf16 zeros[16];
  long blocks = (m + 31) / 32;
  for (long b = 0; b < blocks; b++)
    for (long p = 0; p < 16; p++) {
      long r = b * 32 + 2 * p;
      for (long c = 0; c < k / 16; c++)
        _mm512_storeu_si512(out + (c * blocks + b) * 512 + p * 32,
                            interleave(r < m ? w + r * ld + c * 16 : zeros, r + 1 < m ? w + (r + 1) * ld + c * 16 : zeros));
    }
}

void pack_plain(const bf16* w, bf16* out, long m, long k) { pack_rows(w, k, out, m, k); }

static inline void transpose16(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// The transpose of g [n, m] as left operand: tiles of 16 columns of g by 32 of its rows.
static void pack_left(const bf16* g, long ld, bf16* out, long n, long m) {
  static const bf16 zeros[16];
  long blocks = (n + 31) / 32;
  for (long b = 0; b < blocks; b++)
    for (long c = 0; c < m / 16; c++) {
      __m512i r[16];
      for (long p = 0; p < 16; p++) {
        long i = b * 32 + 2 * p;
        r[p] = interleave(i < n ? g + i * ld + c * 16 : zeros, i + 1 < n ? g + (i + 1) * ld + c * 16 : zeros);
      }
      transpose16(r);
      for (long p = 0; p < 16; p++) _mm512_storeu_si512(out + (c * blocks + b) * 512 + p * 32, r[p]);
    }
}

static inline void store_row(bf16* out, const float* a, const float* b) {
  __m512bh packed = _mm512_cvtne2ps_pbh(_mm512_load_ps(b), _mm512_load_ps(a));
  memcpy(out, &packed, 64);
}

// c [n, m] = a [n, k] times a packed right operand. m and k: multiples of 32; n: of 16.
void multiply(const bf16* a, const bf16* packed, bf16* c, long n, long m, long k) {
  float block[4][256] __attribute__((aligned(64)));
  long steps = k / 32, rows = 32;
  configure();
  for (long top = 0; top < n; top += rows)
    for (long col = 0; col < m; col += 32) {
      const bf16 *b0 = packed + col / 16 * steps * 512, *b1 = b0 + steps * 512;
      for (long i = top; i < top + rows && i < n; i += 32) {
        const bf16 *a0 = a + i * k, *a1 = a0 + 16 * k;
        if (i + 16 < n) {
          _tile_zero(0);
          _tile_zero(1);
          _tile_zero(2);
          _tile_zero(3);
          for (long s = 0; s < steps; s++) {
            _tile_loadd(4, a0 + s * 32, k * 2);
            _tile_loadd(6, b0 + s * 512, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, a1 + s * 32, k * 2);
            _tile_dpbf16ps(2, 5, 6);
            _tile_loadd(7, b1 + s * 512, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
          }
          _tile_stored(0, block[0], 64);
          _tile_stored(1, block[1], 64);
          _tile_stored(2, block[2], 64);
          _tile_stored(3, block[3], 64);
          for (long r = 0; r < 16; r++) {
            store_row(c + (i + r) * m + col, block[0] + r * 16, block[1] + r * 16);
            store_row(c + (i + 16 + r) * m + col, block[2] + r * 16, block[3] + r * 16);
          }
        } else {
          _tile_zero(0);
          _tile_zero(1);
          for (long s = 0; s < steps; s++) {
            _tile_loadd(4, a0 + s * 32, k * 2);
            _tile_loadd(6, b0 + s * 512, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, b1 + s * 512, 64);
            _tile_dpbf16ps(1, 4, 7);
          }
          _tile_stored(0, block[0], 64);
          _tile_stored(1, block[1], 64);
          for (long r = 0; r < 16; r++) store_row(c + (i + r) * m + col, block[0] + r * 16, block[1] + r * 16);
        }
      }
    }
  _tile_release();
}

static __thread bf16 *left_tiles, *right_tiles;
static __thread long left_size, right_size;

static bf16* room(bf16** buffer, long* size, long wanted) {
  if (*size < wanted) {
    free(*buffer);
    *buffer = aligned_alloc(64, wanted * sizeof(bf16));
    *size = wanted;
  }
  return *buffer;
}

// c [m, k] (fp32) += g [n, m] transposed times x [n, k]. m and k: multiples of 32.
void multiply_back(const bf16* g, const bf16* x, float* c, long n, long m, long k) {
  const long chunk = 512;
  configure();
  for (long top = 0; top < n; top += chunk) {
    long here = n - top < chunk ? n - top : chunk, steps = (here + 31) / 32;
    bf16* left = room(&left_tiles, &left_size, m * chunk);
    bf16* right = room(&right_tiles, &right_size, k * chunk);
    pack_left(g + top * m, m, left, here, m);
    pack_rows(x + top * k, k, right, here, k);
    for (long i = 0; i < m; i += 32)
      for (long j = 0; j < k; j += 32) {
        const bf16 *a0 = left + i / 16 * steps * 512, *a1 = a0 + steps * 512;
        const bf16 *b0 = right + j / 16 * steps * 512, *b1 = b0 + steps * 512;
        float* out = c + i * k + j;
        _tile_loadd(0, out, k * 4);
        _tile_loadd(1, out + 16, k * 4);
        _tile_loadd(2, out + 16 * k, k * 4);
        _tile_loadd(3, out + 16 * k + 16, k * 4);
        for (long s = 0; s < steps; s++) {
          _tile_loadd(4, a0 + s * 512, 64);
          _tile_loadd(6, b0 + s * 512, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(5, a1 + s * 512, 64);
          _tile_dpbf16ps(2, 5, 6);
          _tile_loadd(7, b1 + s * 512, 64);
          _tile_dpbf16ps(1, 4, 7);
          _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, out, k * 4);
        _tile_stored(1, out + 16, k * 4);
        _tile_stored(2, out + 16 * k, k * 4);
        _tile_stored(3, out + 16 * k + 16, k * 4);
      }
  }
  _tile_release();
}

#endif
