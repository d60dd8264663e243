/* BLAKE3 of sixteen inputs side by side, a word of each in one AVX-512 register. There are twice as many
 * registers as with AVX2, so the state and the message stay in them, and rotations are instructions. */
#include "blake3.h"

#if WITH_AVX512

#include <immintrin.h>
#include <string.h>

#include "blake3_rounds.h"

#undef ROTATE
#define ROTATE(x, n) ((lanes)_mm512_ror_epi32((__m512i)(x), n))
#define ROTATE16(x) ROTATE(x, 16)
#define ROTATE8(x) ROTATE(x, 8)
#define SPLAT(x) ((lanes)_mm512_set1_epi32((int)(x)))

enum { LANES = 16 };
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

/* Rows of sixteen words become columns: words within each quarter, then the quarters. */
AVX512 static inline void transpose(__m512i r[16])
{
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            b[i + 2 * k] = _mm512_unpacklo_epi64(a[i + k], a[i + k + 2]);
            b[i + 2 * k + 1] = _mm512_unpackhi_epi64(a[i + k], a[i + k + 2]);
        }
    for (int i = 0; i < 4; i++) {
        __m512i even = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
        __m512i odd = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xDD);
        __m512i even2 = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
        __m512i odd2 = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xDD);
        r[i] = _mm512_shuffle_i32x4(even, even2, 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(even, even2, 0xDD);
        r[i + 12] = _mm512_shuffle_i32x4(odd, odd2, 0xDD);
    }
}

AVX512 static inline void compress_lanes(lanes cv[8], const uint8_t *const in[LANES], size_t at,
                                         uint32_t flags)
{
    lanes m[LANES];
    for (int i = 0; i < LANES; i++)
        m[i] = (lanes)_mm512_loadu_si512(in[i] + at);
    transpose((__m512i *)m);
    COMPRESS(lanes, SPLAT, cv, m, BLAKE3_BLOCK, flags);
}

/* The digests of the first `count` inputs. */
AVX512 static void hash_lanes(const uint8_t *const in[LANES], size_t count, size_t size, uint8_t *digests)
{
    lanes cv[LANES] = {SPLAT(IV0), SPLAT(IV1), SPLAT(IV2), SPLAT(IV3),
                       SPLAT(IV4), SPLAT(IV5), SPLAT(IV6), SPLAT(IV7)};
    for (size_t at = 0; at < size; at += BLAKE3_BLOCK)
        compress_lanes(cv, in, at, (at ? 0 : CHUNK_START) |
                                       (at + BLAKE3_BLOCK < size ? 0 : CHUNK_END | ROOT));
    transpose((__m512i *)cv); /* half a row is a digest */
    for (size_t i = 0; i < count; i++)
        memcpy(digests + DIGEST * i, &cv[i], DIGEST);
}

AVX512 void hash_chunks_avx512(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests)
{
    for (; count >= LANES; inputs += LANES, count -= LANES, digests += LANES * DIGEST)
        hash_lanes(inputs, LANES, size, digests);
    if (count <= LANES / 2) { /* half of the lanes would be idle */
        hash_chunks_avx2(inputs, count, size, digests);
        return;
    }
    const uint8_t *some[LANES];
    for (size_t i = 0; i < LANES; i++)
        some[i] = inputs[i < count ? i : 0];
    hash_lanes(some, count, size, digests);
}

#endif
