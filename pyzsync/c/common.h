/* What all parts of the kernel share: the numbers of the grid, and how variants are built and chosen. */
#ifndef PYZSYNC_COMMON_H
#define PYZSYNC_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those of pyzsync/grid.py and pyzsync/weak.py; the tests hash by those and compare. */
#define LEAF 512
#define FANOUT 4
#define DIGEST 32
#define B UINT32_C(0x915F77F5)

/* The AVX2 and AVX-512 variants are compiled function by function, so that no flag of the build makes the
 * rest need them. An unoptimised build of them is as correct, but their intrinsics are calls. */
#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_AVX2 1
#define WITH_AVX512 1
#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx2,avx512f,avx512vl,avx512dq")))
#else
#define WITH_AVX2 0
#define WITH_AVX512 0
#endif

struct wanted;

/* A window whose sum passes the filter, by its place among those of one sweep. */
struct hit {
    uint32_t at, sum;
};

/* The most windows of one sweep. Their sums stay in the first-level cache. */
#define MOST_SWEEP 4096

/* The loops that there is more than one way to write. All variants give the same bytes. */
struct variant {
    const char *name;
    bool (*runs)(void);
    /* BLAKE3 of `count` inputs of `size` bytes, a multiple of 64 up to 1024. The digests lie side by side;
     * they may overwrite inputs that lie side by side from the same place on. */
    void (*hash_chunks)(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests);
    /* The weak sum of a full leaf. */
    uint32_t (*leaf_sum)(const uint8_t *leaf);
    /* The windows at data[0..count) that pass the filter, in order, and their number; *sum is that of
     * data[0] and becomes that of data[count]. `count` is at most MOST_SWEEP, and
     * `hits` has room for that. */
    size_t (*sweep)(const struct wanted *wanted, const uint8_t *data, size_t count, uint32_t *sum,
                    struct hit *hits);
};

/* The variants of this build, the quickest first, then NULL; the last always runs. */
extern const struct variant *const variants[];

/* The one in use. */
const struct variant *variant(void);
void use_variant(const struct variant *chosen);

static inline uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load64(const uint8_t *p)
{
    return load32(p) | (uint64_t)load32(p + 4) << 32;
}

static inline void store32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static inline void store64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* ceil(length / size) */
static inline int64_t pieces(int64_t length, int64_t size)
{
    return length / size + (length % size != 0);
}

#endif
