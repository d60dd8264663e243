/* BLAKE3 in portable C: one input, and four side by side in the compiler's own vectors. */
#include "blake3.h"

#include <string.h>

#include "blake3_rounds.h"

#define ROTATE16(x) ROTATE(x, 16)
#define ROTATE8(x) ROTATE(x, 8)
#define SCALAR(x) (uint32_t)(x)

static void compress(uint32_t cv[8], const uint8_t block[BLAKE3_BLOCK], uint32_t size, uint32_t flags)
{
    uint32_t m[16];
    for (int i = 0; i < 16; i++)
        m[i] = load32(block + 4 * i);
    COMPRESS(uint32_t, SCALAR, cv, m, size, flags);
}

void hash_chunk(const uint8_t *data, size_t size, uint8_t digest[DIGEST])
{
    uint32_t cv[8] = {IV0, IV1, IV2, IV3, IV4, IV5, IV6, IV7}, flags = CHUNK_START;
    for (; size > BLAKE3_BLOCK; data += BLAKE3_BLOCK, size -= BLAKE3_BLOCK, flags = 0)
        compress(cv, data, BLAKE3_BLOCK, flags);
    uint8_t last[BLAKE3_BLOCK] = {0};
    memcpy(last, data, size);
    compress(cv, last, (uint32_t)size, flags | CHUNK_END | ROOT);
    for (int i = 0; i < 8; i++)
        store32(digest + 4 * i, cv[i]);
}

#if defined(__GNUC__)

/* Without vector registers the compiler makes four scalars of it, which is as quick as one at a time. */
enum { LANES = 4 };
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

#define SPLAT(x) ((lanes){(uint32_t)(x), (uint32_t)(x), (uint32_t)(x), (uint32_t)(x)})

static void compress_lanes(lanes cv[8], const uint8_t *const in[LANES], size_t at, uint32_t flags)
{
    lanes m[16];
    for (int i = 0; i < 16; i++) {
        size_t word = at + 4 * (size_t)i;
        m[i] = (lanes){load32(in[0] + word), load32(in[1] + word), load32(in[2] + word),
                       load32(in[3] + word)};
    }
    COMPRESS(lanes, SPLAT, cv, m, BLAKE3_BLOCK, flags);
}

static void hash_lanes(const uint8_t *const in[LANES], size_t size, uint8_t *digests)
{
    lanes cv[8] = {SPLAT(IV0), SPLAT(IV1), SPLAT(IV2), SPLAT(IV3),
                   SPLAT(IV4), SPLAT(IV5), SPLAT(IV6), SPLAT(IV7)};
    for (size_t at = 0; at < size; at += BLAKE3_BLOCK)
        compress_lanes(cv, in, at, (at ? 0 : CHUNK_START) |
                                       (at + BLAKE3_BLOCK < size ? 0 : CHUNK_END | ROOT));
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 8; i++)
            store32(digests + DIGEST * lane + 4 * i, cv[i][lane]);
}

void hash_chunks_portable(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests)
{
    for (; count >= LANES; inputs += LANES, count -= LANES, digests += LANES * DIGEST)
        hash_lanes(inputs, size, digests);
    for (; count > 0; inputs++, count--, digests += DIGEST)
        hash_chunk(*inputs, size, digests);
}

#else

void hash_chunks_portable(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests)
{
    for (; count > 0; inputs++, count--, digests += DIGEST)
        hash_chunk(*inputs, size, digests);
}

#endif
