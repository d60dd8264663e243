/* The sweep with vectors of eight sums: 32 windows a turn, four to a lane, as a load of 32 bytes puts them
 * there: lane l has the bytes 4*l to 4*l+3. The including file says by VECTOR what it is compiled for. */
#ifndef PYZSYNC_SWEEP_TURN_H
#define PYZSYNC_SWEEP_TURN_H

#include <immintrin.h>
#include <string.h>

#include "wanted.h"

enum { TURN = 32 };
_Static_assert(MOST_SWEEP % TURN == 0, "a sweep is whole turns");

/* B**0, B**4 .. B**28; its multiples by the power of a lane, 0 for those that get nothing from it. */
struct factors {
    __m256i out, b1, b2, b3, b4, b32, lane, shift1, shift2, shift4;
};

VECTOR static inline __m256i splat(uint32_t value)
{
    return _mm256_set1_epi32((int)value);
}

VECTOR static inline struct factors factors_of(uint32_t block_power)
{
    const uint32_t b2 = B * B, b4 = b2 * b2, b8 = b4 * b4, b16 = b8 * b8;
    const int f4 = (int)b4, f8 = (int)b8, f16 = (int)b16;
    return (struct factors){
        .out = splat(block_power),
        .b1 = splat(B),
        .b2 = splat(b2),
        .b3 = splat(b2 * B),
        .b4 = splat(b4),
        .b32 = splat(b16 * b16),
        .lane = _mm256_setr_epi32(1, f4, f8, (int)(b8 * b4), f16, (int)(b16 * b4), (int)(b16 * b8),
                                  (int)(b16 * b8 * b4)),
        .shift1 = _mm256_setr_epi32(0, f4, f4, f4, f4, f4, f4, f4),
        .shift2 = _mm256_setr_epi32(0, 0, f8, f8, f8, f8, f8, f8),
        .shift4 = _mm256_setr_epi32(0, 0, 0, 0, f16, f16, f16, f16),
    };
}

/* d(i) of byte k of each lane; see sweep.c. */
VECTOR static inline __m256i step(__m256i ahead, __m256i behind, int k, const struct factors *f)
{
    const __m256i byte = splat(255);
    __m256i in = _mm256_srli_epi32(ahead, 8 * k), out = _mm256_srli_epi32(behind, 8 * k);
    if (k < 3) {
        in = _mm256_and_si256(in, byte);
        out = _mm256_and_si256(out, byte);
    }
    return _mm256_sub_epi32(in, _mm256_mullo_epi32(out, f->out));
}

/* What the sums at each lane's start have from the bytes of this turn: the lanes' ends, each times B**4 for
 * every lane between, by doubling the distance. The last lane's end is not in it. */
VECTOR static inline __m256i before_lanes(__m256i end, const struct factors *f)
{
    const __m256i one = _mm256_setr_epi32(0, 0, 1, 2, 3, 4, 5, 6);
    const __m256i first = _mm256_setr_epi32(0, -1, -1, -1, -1, -1, -1, -1);
    __m256i x = _mm256_and_si256(_mm256_permutevar8x32_epi32(end, one), first);
    __m256i y = _mm256_permutevar8x32_epi32(x, one);
    x = _mm256_add_epi32(x, _mm256_mullo_epi32(y, f->shift1));
    y = _mm256_permute4x64_epi64(x, 0x90);
    x = _mm256_add_epi32(x, _mm256_mullo_epi32(y, f->shift2));
    y = _mm256_permute2x128_si256(x, x, 0x08);
    return _mm256_add_epi32(x, _mm256_mullo_epi32(y, f->shift4));
}

/* A turn's words of the filter, and before them their places. Window 4*l+k is [k][l], here and below. */
struct turn {
    _Alignas(32) uint32_t places[4][8];
    uint32_t words[4][8];
};

/* The sums of the turn's windows. `carry` is the first one's in every lane, and becomes the next turn's. */
VECTOR static inline void roll_turn(const struct wanted *w, const uint8_t *data, const struct factors *f,
                                  __m256i *carry, uint32_t sums[4][8], struct turn *t)
{
    const __m128i shift = _mm_cvtsi32_si128(w->filter_shift);
    __m256i behind = _mm256_loadu_si256((const __m256i *)data);
    __m256i ahead = _mm256_loadu_si256((const __m256i *)(data + w->block));
    __m256i e1 = step(ahead, behind, 0, f);
    __m256i e2 = _mm256_add_epi32(_mm256_mullo_epi32(e1, f->b1), step(ahead, behind, 1, f));
    __m256i e3 = _mm256_add_epi32(_mm256_mullo_epi32(e2, f->b1), step(ahead, behind, 2, f));
    __m256i end = _mm256_add_epi32(_mm256_mullo_epi32(e3, f->b1), step(ahead, behind, 3, f));
    __m256i before = before_lanes(end, f), s[4];
    s[0] = _mm256_add_epi32(_mm256_mullo_epi32(*carry, f->lane), before);
    s[1] = _mm256_add_epi32(_mm256_mullo_epi32(s[0], f->b1), e1);
    s[2] = _mm256_add_epi32(_mm256_mullo_epi32(s[0], f->b2), e2);
    s[3] = _mm256_add_epi32(_mm256_mullo_epi32(s[0], f->b3), e3);
    __m256i all = _mm256_add_epi32(_mm256_mullo_epi32(before, f->b4), end);
    all = _mm256_permutevar8x32_epi32(all, splat(7));
    *carry = _mm256_add_epi32(_mm256_mullo_epi32(*carry, f->b32), all);
    for (int k = 0; k < 4; k++) {
        _mm256_store_si256((__m256i *)sums[k], s[k]);
        _mm256_store_si256((__m256i *)t->places[k], _mm256_srl_epi32(s[k], shift));
    }
}

/* Plain loads, two places at a time: measured at half the time of the gather instruction. */
static inline void fetch_words(const uint32_t *filter, struct turn *t)
{
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < 8; l += 2) {
            uint64_t two; /* x86: the lower half is the first */
            memcpy(&two, &t->places[k][l], sizeof two);
            t->words[k][l] = filter[(uint32_t)two];
            t->words[k][l + 1] = filter[two >> 32];
        }
}

/* A turn's words are fetched while the next turn's sums are computed, and looked at when the loads and
 * stores that make them are over: vectors cannot be loaded from stores of parts that are still on the way.
 * `RING` turns are under way. */
enum { FETCH = 1, LOOK = 3, RING = 4 };

#endif
