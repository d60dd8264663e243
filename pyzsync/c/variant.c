/* Which variant of the loops runs: the best that this CPU has, unless a test chooses. */
#include <stdatomic.h>

#include "blake3.h"
#include "sweep.h"
#include "weak.h"

static bool always(void)
{
    return true;
}

static const struct variant portable = {
    .name = "portable",
    .runs = always,
    .hash_chunks = hash_chunks_portable,
    .leaf_sum = leaf_sum_portable,
    .sweep = sweep_portable,
};

#if WITH_AVX2

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

static const struct variant avx2 = {
    .name = "avx2",
    .runs = has_avx2,
    .hash_chunks = hash_chunks_avx2,
    .leaf_sum = leaf_sum_avx2,
    .sweep = sweep_avx2,
};

#endif

#if WITH_AVX512

/* The question is also whether the system keeps the wide registers. */
static bool has_avx512(void)
{
    __builtin_cpu_init();
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq");
}

static const struct variant avx512 = {
    .name = "avx512",
    .runs = has_avx512,
    .hash_chunks = hash_chunks_avx512,
    .leaf_sum = leaf_sum_avx2,
    .sweep = sweep_avx512,
};

#endif

const struct variant *const variants[] = {
#if WITH_AVX512
    &avx512,
#endif
#if WITH_AVX2
    &avx2,
#endif
    &portable,
    NULL,
};

static const struct variant *_Atomic in_use = &portable;

const struct variant *variant(void)
{
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

void use_variant(const struct variant *chosen)
{
    atomic_store_explicit(&in_use, chosen, memory_order_relaxed);
}
