/* The sweep in portable C. A window's sum follows from that of the one before it:
 * S(i+1) = S(i)*B + d(i), where d(i) = data[i+block] - data[i]*B**block. */
#include "sweep.h"

#include "wanted.h"

static inline size_t note(const struct wanted *w, size_t at, uint32_t sum, struct hit *hits, size_t count)
{
    hits[count] = (struct hit){(uint32_t)at, sum};
    return count + passes(w, sum);
}

/* Four windows a turn: each sum comes from the first by one multiplication, so that the chain from turn to
 * turn is short. */
size_t sweep_portable(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                      struct hit *hits)
{
    const uint32_t b2 = B * B, b3 = b2 * B, b4 = b2 * b2, out = w->block_power;
    const uint8_t *ahead = data + w->block;
    uint32_t s = *sum;
    size_t found = 0, i = 0;
    for (; count - i >= 4; i += 4) {
        uint32_t e1 = ahead[i] - data[i] * out;
        uint32_t e2 = e1 * B + ahead[i + 1] - data[i + 1] * out;
        uint32_t e3 = e2 * B + ahead[i + 2] - data[i + 2] * out;
        uint32_t s1 = s * B + e1, s2 = s * b2 + e2, s3 = s * b3 + e3;
        if (passes(w, s) | passes(w, s1) | passes(w, s2) | passes(w, s3)) {
            found = note(w, i, s, hits, found);
            found = note(w, i + 1, s1, hits, found);
            found = note(w, i + 2, s2, hits, found);
            found = note(w, i + 3, s3, hits, found);
        }
        s = s * b4 + e3 * B + ahead[i + 3] - data[i + 3] * out;
    }
    for (; i < count; i++) {
        if (passes(w, s))
            hits[found++] = (struct hit){(uint32_t)i, s};
        s = s * B + ahead[i] - data[i] * out;
    }
    *sum = s;
    return found;
}

size_t sweep_rest(const struct wanted *w, const uint8_t *data, size_t done, size_t count, uint32_t *sum,
                  struct hit *hits)
{
    size_t found = sweep_portable(w, data + done, count - done, sum, hits);
    for (size_t i = 0; i < found; i++)
        hits[i].at += (uint32_t)done;
    return found;
}
