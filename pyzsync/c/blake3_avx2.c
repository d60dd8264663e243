/* BLAKE3 of eight inputs side by side, a word of each in one AVX2 register. */
#include "blake3.h"

#if WITH_AVX2

#include <immintrin.h>
#include <string.h>

#include "blake3_rounds.h"

enum { LANES = 8 };
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

/* Rotations by whole bytes are one shuffle; the others are two shifts. */
#define TURN16 _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, \
                                10, 11, 8, 9, 14, 15, 12, 13)
#define TURN8 _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, \
                               9, 10, 11, 8, 13, 14, 15, 12)
#define ROTATE16(x) ((lanes)_mm256_shuffle_epi8((__m256i)(x), TURN16))
#define ROTATE8(x) ((lanes)_mm256_shuffle_epi8((__m256i)(x), TURN8))
#define SPLAT(x) ((lanes)_mm256_set1_epi32((int)(x)))

/* Rows of eight words become columns. */
AVX2 static inline void transpose(__m256i r[8])
{
    __m256i a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            b[i + 2 * k] = _mm256_unpacklo_epi64(a[i + k], a[i + k + 2]);
            b[i + 2 * k + 1] = _mm256_unpackhi_epi64(a[i + k], a[i + k + 2]);
        }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
        r[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
}

AVX2 static inline void compress_lanes(lanes cv[8], const uint8_t *const in[LANES], size_t at,
                                       uint32_t flags)
{
    lanes m[16];
    for (int half = 0; half < 2; half++) {
        __m256i *words = (__m256i *)(m + 8 * half);
        for (int i = 0; i < LANES; i++)
            words[i] = _mm256_loadu_si256((const __m256i *)(in[i] + at + 32 * half));
        transpose(words);
    }
    COMPRESS(lanes, SPLAT, cv, m, BLAKE3_BLOCK, flags);
}

AVX2 static void hash_lanes(const uint8_t *const in[LANES], size_t size, uint8_t *digests)
{
    lanes cv[8] = {SPLAT(IV0), SPLAT(IV1), SPLAT(IV2), SPLAT(IV3),
                   SPLAT(IV4), SPLAT(IV5), SPLAT(IV6), SPLAT(IV7)};
    for (size_t at = 0; at < size; at += BLAKE3_BLOCK)
        compress_lanes(cv, in, at, (at ? 0 : CHUNK_START) |
                                       (at + BLAKE3_BLOCK < size ? 0 : CHUNK_END | ROOT));
    transpose((__m256i *)cv);
    memcpy(digests, cv, sizeof cv);
}

AVX2 void hash_chunks_avx2(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests)
{
    for (; count >= LANES; inputs += LANES, count -= LANES, digests += LANES * DIGEST)
        hash_lanes(inputs, size, digests);
    if (count == 0)
        return;
    /* One alone costs as much as eight, and about as much as one in portable C. */
    const uint8_t *some[LANES];
    uint8_t all[LANES * DIGEST];
    for (size_t i = 0; i < LANES; i++)
        some[i] = inputs[i < count ? i : 0];
    hash_lanes(some, size, all);
    memcpy(digests, all, count * DIGEST);
}

#endif
