/* The sweep with AVX2. */
#include "sweep.h"

#if WITH_AVX2

#define VECTOR AVX2
#include "sweep_turn.h"

/* A bit for each of the 32 windows, in their order: does it pass? Byte 4*l+k is that of lane l of sums[k]. */
AVX2 static inline uint32_t passing(const struct turn *t, const uint32_t all_sums[4][8])
{
    __m256i all = _mm256_setzero_si256();
    for (int k = 0; k < 4; k++) {
        __m256i word = _mm256_load_si256((const __m256i *)t->words[k]);
        __m256i sums = _mm256_load_si256((const __m256i *)all_sums[k]);
        __m256i mix = _mm256_mullo_epi32(sums, splat(FILTER_MIX));
        __m256i one = _mm256_sllv_epi32(word, _mm256_srli_epi32(mix, 27));
        for (int shift = 22; shift >= 17; shift -= 5) {
            __m256i bit = _mm256_and_si256(_mm256_srli_epi32(mix, shift), splat(31));
            one = _mm256_and_si256(one, _mm256_sllv_epi32(word, bit));
        }
        one = _mm256_and_si256(one, splat(UINT32_C(1) << 31));
        all = _mm256_or_si256(all, _mm256_srli_epi32(one, 8 * (3 - k)));
    }
    return (uint32_t)_mm256_movemask_epi8(all);
}

/* Nothing here jumps by what was loaded: the hits are sorted out after the sweep. */
AVX2 static void sweep_turns(const struct wanted *w, const uint8_t *data, size_t turns, uint32_t *sum,
                             uint32_t sums[][4][8], uint32_t *masks)
{
    const struct factors f = factors_of(w->block_power);
    struct turn ring[RING];
    __m256i carry = splat(*sum);
    for (size_t i = 0; i < turns + LOOK; i++) {
        if (i < turns)
            roll_turn(w, data + i * TURN, &f, &carry, sums[i], &ring[i % RING]);
        if (i >= FETCH && i < turns + FETCH)
            fetch_words(w->filter, &ring[(i - FETCH) % RING]);
        if (i >= LOOK)
            masks[i - LOOK] = passing(&ring[(i - LOOK) % RING], sums[i - LOOK]);
    }
    *sum = (uint32_t)_mm256_cvtsi256_si32(carry);
}

size_t sweep_avx2(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                  struct hit *hits)
{
    _Alignas(32) uint32_t sums[MOST_SWEEP / TURN][4][8];
    uint32_t masks[MOST_SWEEP / TURN];
    size_t found = 0, turns = count / TURN, done = turns * TURN;
    if (turns)
        sweep_turns(w, data, turns, sum, sums, masks);
    for (size_t i = 0; i < turns; i++)
        for (uint32_t mask = masks[i]; mask; mask &= mask - 1) {
            uint32_t at = (uint32_t)__builtin_ctz(mask);
            hits[found++] = (struct hit){(uint32_t)i * TURN + at, sums[i][at & 3][at >> 2]};
        }
    return found + sweep_rest(w, data, done, count, sum, hits + found);
}

#endif
