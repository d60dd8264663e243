/* The compression function over any type of word: uint32_t, or a vector with a word of each input. */
#ifndef PYZSYNC_BLAKE3_ROUNDS_H
#define PYZSYNC_BLAKE3_ROUNDS_H

enum { BLAKE3_BLOCK = 64, CHUNK_START = 1, CHUNK_END = 2, ROOT = 8 };

#define IV0 UINT32_C(0x6A09E667)
#define IV1 UINT32_C(0xBB67AE85)
#define IV2 UINT32_C(0x3C6EF372)
#define IV3 UINT32_C(0xA54FF53A)
#define IV4 UINT32_C(0x510E527F)
#define IV5 UINT32_C(0x9B05688C)
#define IV6 UINT32_C(0x1F83D9AB)
#define IV7 UINT32_C(0x5BE0CD19)

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

/* ROTATE16 and ROTATE8 are the including file's: vectors have quicker ways than two shifts. */
#define MIX(a, b, c, d, x, y)  \
    a = a + b + m[x];          \
    d = ROTATE16(d ^ a);       \
    c = c + d;                 \
    b = b ^ c;                 \
    b = ROTATE(b, 12);         \
    a = a + b + m[y];          \
    d = ROTATE8(d ^ a);        \
    c = c + d;                 \
    b = b ^ c;                 \
    b = ROTATE(b, 7)

/* The message words' order is an argument, so that it is known when this is compiled. */
#define ROUND(i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, ia, ib, ic, id, ie, if_) \
    MIX(v0, v4, v8, vc, i0, i1);                                               \
    MIX(v1, v5, v9, vd, i2, i3);                                               \
    MIX(v2, v6, va, ve, i4, i5);                                               \
    MIX(v3, v7, vb, vf, i6, i7);                                               \
    MIX(v0, v5, va, vf, i8, i9);                                               \
    MIX(v1, v6, vb, vc, ia, ib);                                               \
    MIX(v2, v7, v8, vd, ic, id);                                               \
    MIX(v3, v4, v9, ve, ie, if_)

/* cv is the chaining value and becomes the next one; SPLAT makes a word of a number. The counter of chunks
 * (vc, vd) is always 0, since there is one chunk. */
#define COMPRESS(WORD, SPLAT, cv, m, size, flags)                              \
    do {                                                                       \
        WORD v0 = cv[0], v1 = cv[1], v2 = cv[2], v3 = cv[3];                   \
        WORD v4 = cv[4], v5 = cv[5], v6 = cv[6], v7 = cv[7];                   \
        WORD v8 = SPLAT(IV0), v9 = SPLAT(IV1), va = SPLAT(IV2), vb = SPLAT(IV3); \
        WORD vc = SPLAT(0), vd = SPLAT(0), ve = SPLAT(size), vf = SPLAT(flags); \
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);           \
        ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);           \
        ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);           \
        ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);           \
        ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);           \
        ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);           \
        ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);           \
        cv[0] = v0 ^ v8, cv[1] = v1 ^ v9, cv[2] = v2 ^ va, cv[3] = v3 ^ vb;    \
        cv[4] = v4 ^ vc, cv[5] = v5 ^ vd, cv[6] = v6 ^ ve, cv[7] = v7 ^ vf;    \
    } while (0)

#endif
