/* The weak sum of leaves: dot products with the powers of B, without a chain from byte to byte. */
#include "weak.h"

#if WITH_AVX2
#include <immintrin.h>
#endif

/* B**(LEAF-1-i) */
static uint32_t descending[LEAF];
static uint32_t leaf_power; /* B**LEAF */

uint32_t weak_power(uint64_t exponent)
{
    uint32_t result = 1;
    for (uint32_t square = B; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return result;
}

uint32_t short_sum(const uint8_t *data, size_t size)
{
    const uint32_t *factor = descending + LEAF - size;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += data[i] * factor[i];
    return sum;
}

uint32_t leaf_sum_portable(const uint8_t *leaf)
{
    return short_sum(leaf, LEAF);
}

uint32_t block_sum(const uint8_t *data, size_t size)
{
    const struct variant *v = variant();
    uint32_t sum = 0;
    for (size_t at = 0; at < size; at += LEAF)
        sum = sum * leaf_power + v->leaf_sum(data + at);
    return sum;
}

#if WITH_AVX2

/* Each power is low + 2**16 * high with both halves signed words, so that one instruction multiplies
 * sixteen bytes by words and adds them in pairs. In the order in which 32 bytes are widened: the low
 * halves of bytes 0-7 and 16-23, of 8-15 and 24-31, then the high halves. */
static _Alignas(32) int16_t halves[LEAF / 32][4][16];

static void fill_halves(void)
{
    for (int i = 0; i < LEAF; i++) {
        int32_t low = (int16_t)(uint16_t)descending[i];
        int half = i / 8 % 2, word = i % 8 + (i % 32 < 16 ? 0 : 8);
        halves[i / 32][half][word] = (int16_t)low;
        halves[i / 32][2 + half][word] = (int16_t)(uint16_t)((descending[i] - (uint32_t)low) >> 16);
    }
}

AVX2 uint32_t leaf_sum_avx2(const uint8_t *leaf)
{
    const __m256i zero = _mm256_setzero_si256(), *factor = (const __m256i *)halves;
    __m256i low = zero, low2 = zero, high = zero, high2 = zero;
    for (int i = 0; i < LEAF / 32; i++, factor += 4) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)leaf + i);
        __m256i a = _mm256_unpacklo_epi8(bytes, zero), b = _mm256_unpackhi_epi8(bytes, zero);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(a, factor[0]));
        low2 = _mm256_add_epi32(low2, _mm256_madd_epi16(b, factor[1]));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(a, factor[2]));
        high2 = _mm256_add_epi32(high2, _mm256_madd_epi16(b, factor[3]));
    }
    high = _mm256_slli_epi32(_mm256_add_epi32(high, high2), 16);
    __m256i all = _mm256_add_epi32(_mm256_add_epi32(low, low2), high);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(four);
}

#endif

void weak_tables(void)
{
    uint32_t factor = 1;
    for (int i = LEAF; i-- > 0; factor *= B)
        descending[i] = factor;
    leaf_power = factor;
#if WITH_AVX2
    fill_halves();
#endif
}
