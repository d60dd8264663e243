/* The sweep with AVX-512: that of sweep_avx2.c with 64 windows a turn, four to each of sixteen lanes. */
#include "sweep.h"

#include "wanted.h"

#if WITH_AVX512

#include <immintrin.h>
#include <string.h>

enum { LANES = 16, TURN = 64 };
_Static_assert(MOST_SWEEP % TURN == 0, "a sweep is whole turns");

/* Powers of B in every lane, and those of each lane's start. */
struct factors {
    __m512i out, b1, b2, b3, b4, b8, b16, b32, b64, lane;
};

AVX512 static inline __m512i splat(uint32_t value)
{
    return _mm512_set1_epi32((int)value);
}

AVX512 static inline struct factors factors_of(uint32_t block_power)
{
    const uint32_t b2 = B * B, b4 = b2 * b2, b8 = b4 * b4, b16 = b8 * b8, b32 = b16 * b16;
    uint32_t lane[LANES] = {1};
    for (int i = 1; i < LANES; i++)
        lane[i] = lane[i - 1] * b4;
    return (struct factors){
        .out = splat(block_power),
        .b1 = splat(B),
        .b2 = splat(b2),
        .b3 = splat(b2 * B),
        .b4 = splat(b4),
        .b8 = splat(b8),
        .b16 = splat(b16),
        .b32 = splat(b32),
        .b64 = splat(b32 * b32),
        .lane = _mm512_loadu_si512(lane),
    };
}

/* a * factor + b */
AVX512 static inline __m512i times_plus(__m512i a, __m512i factor, __m512i b)
{
    return _mm512_add_epi32(_mm512_mullo_epi32(a, factor), b);
}

/* d(i) of byte k of each lane; see sweep.c. */
AVX512 static inline __m512i step(__m512i ahead, __m512i behind, unsigned k, const struct factors *f)
{
    const __m512i byte = splat(255);
    __m512i in = _mm512_srli_epi32(ahead, 8 * k), out = _mm512_srli_epi32(behind, 8 * k);
    if (k < 3) {
        in = _mm512_and_si512(in, byte);
        out = _mm512_and_si512(out, byte);
    }
    return _mm512_sub_epi32(in, _mm512_mullo_epi32(out, f->out));
}

/* Lanes `n` higher; zeros come in. */
#define LANES_UP(x, n) _mm512_alignr_epi32(x, _mm512_setzero_si512(), LANES - (n))

/* What the sums at each lane's start have from the bytes of this turn: the lanes' ends, each times B**4 for
 * every lane between, by doubling the distance. The last lane's end is not in it. */
AVX512 static inline __m512i before_lanes(__m512i end, const struct factors *f)
{
    __m512i x = LANES_UP(end, 1);
    x = times_plus(LANES_UP(x, 1), f->b4, x);
    x = times_plus(LANES_UP(x, 2), f->b8, x);
    x = times_plus(LANES_UP(x, 4), f->b16, x);
    return times_plus(LANES_UP(x, 8), f->b32, x);
}

/* A turn's words of the filter, and before them their places. Window 4*l+k is [k][l], here and below. */
struct turn {
    _Alignas(64) uint32_t places[4][LANES];
    _Alignas(64) uint32_t words[4][LANES];
};

/* The sums of the turn's windows. `carry` is the first one's in every lane, and becomes the next turn's. */
AVX512 static inline void roll_turn(const struct wanted *w, const uint8_t *data, const struct factors *f,
                                    __m512i *carry, uint32_t sums[4][LANES], struct turn *t)
{
    const __m128i shift = _mm_cvtsi32_si128(w->filter_shift);
    __m512i behind = _mm512_loadu_si512(data);
    __m512i ahead = _mm512_loadu_si512(data + w->block);
    __m512i e1 = step(ahead, behind, 0, f);
    __m512i e2 = times_plus(e1, f->b1, step(ahead, behind, 1, f));
    __m512i e3 = times_plus(e2, f->b1, step(ahead, behind, 2, f));
    __m512i end = times_plus(e3, f->b1, step(ahead, behind, 3, f));
    __m512i before = before_lanes(end, f), s[4];
    s[0] = times_plus(*carry, f->lane, before);
    s[1] = times_plus(s[0], f->b1, e1);
    s[2] = times_plus(s[0], f->b2, e2);
    s[3] = times_plus(s[0], f->b3, e3);
    __m512i all = _mm512_permutexvar_epi32(splat(LANES - 1), times_plus(before, f->b4, end));
    *carry = times_plus(*carry, f->b64, all);
    for (int k = 0; k < 4; k++) {
        _mm512_store_si512(sums[k], s[k]);
        _mm512_store_si512(t->places[k], _mm512_srl_epi32(s[k], shift));
    }
}

/* Plain loads, two places at a time: the gather instruction is slower here as well. */
static inline void fetch_words(const uint32_t *filter, struct turn *t)
{
    for (int k = 0; k < 4; k++)
        for (int l = 0; l < LANES; l += 2) {
            uint64_t two; /* x86: the lower half is the first */
            memcpy(&two, &t->places[k][l], sizeof two);
            t->words[k][l] = filter[(uint32_t)two];
            t->words[k][l + 1] = filter[two >> 32];
        }
}

/* A bit for each of the 64 windows, in their order: does it pass? Byte 4*l+k is that of lane l of sums[k].
 * A rotation takes the lowest five bits of its count, and brings the same bit to the top as a shift. */
AVX512 static inline uint64_t passing(const struct turn *t, const uint32_t all_sums[4][LANES])
{
    __m512i all = _mm512_setzero_si512();
    for (unsigned k = 0; k < 4; k++) {
        __m512i word = _mm512_load_si512(t->words[k]);
        __m512i mix = _mm512_mullo_epi32(_mm512_load_si512(all_sums[k]), splat(FILTER_MIX));
        __m512i one = _mm512_and_si512(_mm512_rolv_epi32(word, _mm512_srli_epi32(mix, 27)),
                                       _mm512_rolv_epi32(word, _mm512_srli_epi32(mix, 22)));
        one = _mm512_and_si512(one, splat(UINT32_C(1) << 31));
        all = _mm512_or_si512(all, _mm512_srli_epi32(one, 8 * (3 - k)));
    }
    return _mm512_movepi8_mask(all);
}

/* As with AVX2, a turn's words are fetched while the next turn's sums are computed, and looked at later. */
AVX512 static void sweep_turns(const struct wanted *w, const uint8_t *data, size_t turns, uint32_t *sum,
                               uint32_t sums[][4][LANES], uint64_t *masks)
{
    enum { FETCH = 1, LOOK = 3, RING = 4 };
    const struct factors f = factors_of(w->block_power);
    struct turn ring[RING];
    __m512i carry = splat(*sum);
    for (size_t i = 0; i < turns + LOOK; i++) {
        if (i < turns)
            roll_turn(w, data + i * TURN, &f, &carry, sums[i], &ring[i % RING]);
        if (i >= FETCH && i < turns + FETCH)
            fetch_words(w->filter, &ring[(i - FETCH) % RING]);
        if (i >= LOOK)
            masks[i - LOOK] = passing(&ring[(i - LOOK) % RING], sums[i - LOOK]);
    }
    *sum = (uint32_t)_mm512_cvtsi512_si32(carry);
}

size_t sweep_avx512(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                    struct hit *hits)
{
    _Alignas(64) uint32_t sums[MOST_SWEEP / TURN][4][LANES];
    uint64_t masks[MOST_SWEEP / TURN];
    size_t found = 0, turns = count / TURN, done = turns * TURN;
    if (turns)
        sweep_turns(w, data, turns, sum, sums, masks);
    for (size_t i = 0; i < turns; i++)
        for (uint64_t mask = masks[i]; mask; mask &= mask - 1) {
            uint32_t at = (uint32_t)__builtin_ctzll(mask);
            hits[found++] = (struct hit){(uint32_t)(i * TURN) + at, sums[i][at & 3][at >> 2]};
        }
    size_t more = sweep_portable(w, data + done, count - done, sum, hits + found);
    for (size_t i = found; i < found + more; i++)
        hits[i].at += (uint32_t)done;
    return found + more;
}

#endif
