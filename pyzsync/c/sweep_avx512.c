/* The sweep with AVX-512: the same width, since the loads of the filter take the time, but what passes is
 * picked out by an instruction and not by a jump, which nobody can foresee. */
#include "sweep.h"

#if WITH_AVX512

#define VECTOR AVX512
#include "sweep_turn.h"

/* What passed, the windows of a turn in any order. A vector is written at once: there is room for it. */
struct passed {
    uint32_t at[MOST_SWEEP + 8], sum[MOST_SWEEP + 8];
    size_t count;
};

/* Pick out the windows of the turn from window `first` on that pass. */
AVX512 static inline void pick(const struct turn *t, const uint32_t sums[4][8], size_t first,
                               struct passed *passed)
{
    const __m256i lanes = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i all[4];
    for (int k = 0; k < 4; k++) {
        __m256i word = _mm256_load_si256((const __m256i *)t->words[k]);
        __m256i mix = _mm256_mullo_epi32(_mm256_load_si256((const __m256i *)sums[k]), splat(FILTER_MIX));
        __m256i one = _mm256_rolv_epi32(word, _mm256_srli_epi32(mix, 27));
        __m256i two = _mm256_rolv_epi32(word, _mm256_srli_epi32(mix, 22));
        __m256i three = _mm256_rolv_epi32(word, _mm256_srli_epi32(mix, 17));
        all[k] = _mm256_ternarylogic_epi32(one, two, three, 0x80);
    }
    __m256i any = _mm256_or_si256(_mm256_or_si256(all[0], all[1]), _mm256_or_si256(all[2], all[3]));
    if (!_mm256_movepi32_mask(any))
        return;
    for (int k = 0; k < 4; k++) {
        __mmask8 mask = _mm256_movepi32_mask(all[k]);
        __m256i sum = _mm256_load_si256((const __m256i *)sums[k]);
        __m256i at = _mm256_add_epi32(lanes, splat((uint32_t)first + (uint32_t)k));
        _mm256_storeu_si256((__m256i *)(passed->at + passed->count), _mm256_maskz_compress_epi32(mask, at));
        _mm256_storeu_si256((__m256i *)(passed->sum + passed->count), _mm256_maskz_compress_epi32(mask, sum));
        passed->count += (size_t)__builtin_popcount(mask);
    }
}

AVX512 static void sweep_turns(const struct wanted *w, const uint8_t *data, size_t turns, uint32_t *sum,
                               struct passed *passed)
{
    const struct factors f = factors_of(w->block_power);
    struct turn ring[RING];
    _Alignas(32) uint32_t sums[RING][4][8];
    __m256i carry = splat(*sum);
    for (size_t i = 0; i < turns + LOOK; i++) {
        if (i < turns)
            roll_turn(w, data + i * TURN, &f, &carry, sums[i % RING], &ring[i % RING]);
        if (i >= FETCH && i < turns + FETCH)
            fetch_words(w->filter, &ring[(i - FETCH) % RING]);
        if (i >= LOOK)
            pick(&ring[(i - LOOK) % RING], sums[(i - LOOK) % RING], (i - LOOK) * TURN, passed);
    }
    *sum = (uint32_t)_mm256_cvtsi256_si32(carry);
}

size_t sweep_avx512(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                    struct hit *hits)
{
    struct passed passed;
    passed.count = 0;
    size_t turns = count / TURN, done = turns * TURN;
    if (turns)
        sweep_turns(w, data, turns, sum, &passed);
    for (size_t i = 0; i < passed.count; i++) { /* almost in order already */
        size_t to = i;
        for (; to && hits[to - 1].at > passed.at[i]; to--)
            hits[to] = hits[to - 1];
        hits[to] = (struct hit){passed.at[i], passed.sum[i]};
    }
    return passed.count + sweep_rest(w, data, done, count, sum, hits + passed.count);
}

#endif
