/* The kernel in portable C; pyzsync/kernel.py states its contract, pyzsync/_numpy_kernel.py is its twin.
 *
 * Every call takes its buffers, gives up the GIL for the work, and makes bytes. BLAKE3 is written here for
 * inputs of one chunk (at most 1024 bytes), from the specification (O'Connor, Aumasson, Neves and
 * Wilcox-O'Hearn, 2020): leaves are at most 512 bytes and a node's children at most 128.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Those of pyzsync/grid.py and pyzsync/weak.py; the tests hash by those and compare. */
#define LEAF 512
#define FANOUT 4
#define B UINT32_C(0x915F77F5)
#define DIGEST 32

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void store64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* ---- BLAKE3 of one chunk ---- */

enum { BLAKE3_BLOCK = 64, CHUNK_START = 1, CHUNK_END = 2, ROOT = 8 };

static const uint32_t IV[8] = {
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
};

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

#define MIX(a, b, c, d, x, y)      \
    a += b + m[x];                 \
    d = ROTATE(d ^ a, 16);         \
    c += d;                        \
    b = ROTATE(b ^ c, 12);         \
    a += b + m[y];                 \
    d = ROTATE(d ^ a, 8);          \
    c += d;                        \
    b = ROTATE(b ^ c, 7)

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

static void compress(uint32_t cv[8], const uint8_t block[BLAKE3_BLOCK], uint32_t size, uint32_t flags)
{
    uint32_t m[16];
    for (int i = 0; i < 16; i++)
        m[i] = load32(block + 4 * i);
    uint32_t v0 = cv[0], v1 = cv[1], v2 = cv[2], v3 = cv[3];
    uint32_t v4 = cv[4], v5 = cv[5], v6 = cv[6], v7 = cv[7];
    uint32_t v8 = IV[0], v9 = IV[1], va = IV[2], vb = IV[3];
    uint32_t vc = 0, vd = 0, ve = size, vf = flags; /* vc, vd: the chunk's number, always 0 */
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
    cv[0] = v0 ^ v8, cv[1] = v1 ^ v9, cv[2] = v2 ^ va, cv[3] = v3 ^ vb;
    cv[4] = v4 ^ vc, cv[5] = v5 ^ vd, cv[6] = v6 ^ ve, cv[7] = v7 ^ vf;
}

/* BLAKE3 of 1 to 1024 bytes. */
static void hash_chunk(const uint8_t *data, size_t size, uint8_t digest[DIGEST])
{
    uint32_t cv[8], flags = CHUNK_START;
    memcpy(cv, IV, sizeof cv);
    for (; size > BLAKE3_BLOCK; data += BLAKE3_BLOCK, size -= BLAKE3_BLOCK, flags = 0)
        compress(cv, data, BLAKE3_BLOCK, flags);
    uint8_t last[BLAKE3_BLOCK] = {0};
    memcpy(last, data, size);
    compress(cv, last, (uint32_t)size, flags | CHUNK_END | ROOT);
    for (int i = 0; i < 8; i++)
        store32(digest + 4 * i, cv[i]);
}

/* The digest of a full node: BLAKE3 over its children's. `size` is LEAF times a power of FANOUT, so the
 * recursion is at most 27 deep. */
static void hash_node(const uint8_t *data, size_t size, uint8_t digest[DIGEST])
{
    if (size == LEAF) {
        hash_chunk(data, LEAF, digest);
        return;
    }
    uint8_t children[FANOUT * DIGEST];
    for (size_t child = 0; child < FANOUT; child++)
        hash_node(data + child * (size / FANOUT), size / FANOUT, children + child * DIGEST);
    hash_chunk(children, sizeof children, digest);
}

/* ---- the weak sum ---- */

/* B**(LEAF-1-i), filled once when the module is loaded. */
static uint32_t descending[LEAF];

static uint32_t power(uint64_t exponent)
{
    uint32_t result = 1;
    for (uint32_t square = B; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return result;
}

/* The sum of at most a leaf: a dot product has no chain from byte to byte, unlike Horner's rule. */
static uint32_t leaf_sum(const uint8_t *data, size_t size)
{
    const uint32_t *factor = descending + LEAF - size;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += data[i] * factor[i];
    return sum;
}

/* ---- buffers ---- */

static bool fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return false;
}

/* ceil(length / size) */
static int64_t pieces(int64_t length, int64_t size)
{
    return length / size + (length % size != 0);
}

/* (bytes of `first` bytes, bytes of `second` bytes), not yet filled; NULL if there is no memory. */
static PyObject *two_bytes(Py_ssize_t first, Py_ssize_t second, uint8_t **a, uint8_t **b)
{
    PyObject *left = PyBytes_FromStringAndSize(NULL, first);
    PyObject *right = PyBytes_FromStringAndSize(NULL, second);
    PyObject *pair = left && right ? PyTuple_Pack(2, left, right) : NULL;
    if (pair) {
        *a = (uint8_t *)PyBytes_AS_STRING(left);
        *b = (uint8_t *)PyBytes_AS_STRING(right);
    }
    Py_XDECREF(left);
    Py_XDECREF(right);
    return pair;
}

/* ---- hash_leaves, hash_nodes, equal_rows ---- */

static PyObject *hash_leaves(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "y*:hash_leaves", &data))
        return NULL;
    /* 36 bytes come out for 512 that went in, so the sizes cannot overflow: a last short leaf adds one. */
    Py_ssize_t count = (Py_ssize_t)pieces(data.len, LEAF);
    uint8_t *weak, *strong;
    PyObject *pair = two_bytes(4 * count, DIGEST * count, &weak, &strong);
    if (pair) {
        Py_BEGIN_ALLOW_THREADS
        const uint8_t *bytes = data.buf;
        for (Py_ssize_t i = 0; i < count; i++) {
            size_t rest = (size_t)(data.len - i * LEAF);
            size_t size = rest < LEAF ? rest : LEAF;
            store32(weak + 4 * i, leaf_sum(bytes + i * LEAF, size));
            hash_chunk(bytes + i * LEAF, size, strong + DIGEST * i);
        }
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return pair;
}

struct level {
    Py_buffer weak, strong;
    long long child_size, length;
};

static bool check_level(const struct level *level)
{
    if (level->weak.len % 4)
        return fail("weak must hold 4 bytes for each block");
    if (level->child_size < 1 || level->length < 0)
        return fail("child_size must be positive and length not negative");
    int64_t count = pieces(level->length, level->child_size);
    if (level->weak.len / 4 != count)
        return fail("weak must hold 4 bytes for each child");
    if (level->strong.len % DIGEST || level->strong.len / DIGEST != count)
        return fail("strong must hold 32 bytes for each child");
    return true;
}

static void fold_level(const struct level *level, uint8_t *weak, uint8_t *strong)
{
    const uint8_t *sums = level->weak.buf, *digests = level->strong.buf;
    Py_ssize_t count = level->weak.len / 4;
    uint32_t full = power((uint64_t)level->child_size);
    uint32_t last = power((uint64_t)(level->length - (count - 1) * level->child_size));
    for (Py_ssize_t child = 0; child < count; child += FANOUT) {
        Py_ssize_t stop = count - child < FANOUT ? count : child + FANOUT;
        uint32_t sum = 0;
        for (Py_ssize_t i = child; i < stop; i++)
            sum = sum * (i + 1 < count ? full : last) + load32(sums + 4 * i);
        store32(weak + 4 * (child / FANOUT), sum);
        hash_chunk(digests + DIGEST * child, DIGEST * (size_t)(stop - child),
                   strong + DIGEST * (child / FANOUT));
    }
}

static PyObject *hash_nodes(PyObject *module, PyObject *args)
{
    (void)module;
    struct level level;
    if (!PyArg_ParseTuple(args, "y*y*LL:hash_nodes", &level.weak, &level.strong, &level.child_size,
                          &level.length))
        return NULL;
    PyObject *pair = NULL;
    if (check_level(&level)) {
        Py_ssize_t parents = (Py_ssize_t)pieces(level.weak.len / 4, FANOUT);
        uint8_t *weak, *strong;
        pair = two_bytes(4 * parents, DIGEST * parents, &weak, &strong);
        if (pair && parents) {
            Py_BEGIN_ALLOW_THREADS
            fold_level(&level, weak, strong);
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&level.weak);
    PyBuffer_Release(&level.strong);
    return pair;
}

static PyObject *equal_rows(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer a, b;
    Py_ssize_t width;
    if (!PyArg_ParseTuple(args, "y*y*n:equal_rows", &a, &b, &width))
        return NULL;
    PyObject *result = NULL;
    if (width < 1 || a.len % width)
        fail("width must be positive and divide the rows");
    else if (a.len != b.len)
        fail("a and b must be equally long");
    else
        result = PyBytes_FromStringAndSize(NULL, a.len / width);
    if (result) {
        char *same = PyBytes_AS_STRING(result);
        Py_BEGIN_ALLOW_THREADS
        for (const char *left = a.buf, *right = b.buf, *stop = left + a.len; left < stop;
             left += width, right += width)
            *same++ = memcmp(left, right, (size_t)width) == 0;
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&a);
    PyBuffer_Release(&b);
    return result;
}

/* ---- Matcher ---- */

enum {
    GIVE_UP = 64,       /* windows a weak sum may meet that are none of its blocks, */
    GIVE_UP_SHIFT = 30, /* and one more for each GiB scanned: four times what chance makes */
    VAIN_RATIO = 8,     /* windows hashed in vain for each block's length scanned, beyond GIVE_UP */
    NEAR = 64,          /* places looked at to see whether a bit of the filter is still needed */
};

/* The wanted blocks lie in the order of (weak, strong). A run of equal weak sums is a group; in it, a
 * run of equal strong hashes is one distinct block, named by its first place. Both are found by
 * bisection, so that no crafted set of hashes makes a long chain, and duplicates cost nothing. */
typedef struct {
    PyObject_HEAD
    Py_buffer strong; /* the caller's, held while this lives: width bytes for each wanted block */
    size_t width, block;
    uint32_t block_power; /* B**block */
    uint32_t count;       /* wanted blocks, duplicates included */
    uint32_t *sums;       /* [count] weak sums, ascending */
    uint32_t *order;      /* [count] the wanted block at each place */
    int64_t *where;       /* [count] at a distinct block's first place: its offset, or -1 */
    uint32_t *left;       /* [count] at a group's first place: distinct blocks not found; 0 is dead */
    uint16_t *failed;     /* [count] at a group's first place: windows that were none of its blocks */
    uint32_t *directory;  /* the first place whose sum's leading bits are the index or more */
    int directory_shift;
    uint8_t *filter; /* a bit for each value of a sum's leading bits: is a group alive there? */
    int filter_shift;
    uint32_t live;              /* groups that are alive */
    uint64_t scanned, vain;     /* windows passed; windows hashed in vain */
    _Atomic int64_t pending, hashed; /* read by other threads while a scan runs */
    PyThread_type_lock lock;    /* held by the one scan, or offsets, that is running */
} Matcher;

/* The filter has 64 bits a wanted block up to 4 MiB: it should stay in the caches. */
enum { FILTER_SPARE = 6, MIN_FILTER_BITS = 15, MAX_FILTER_BITS = 25, MAX_DIRECTORY_BITS = 24 };

static const uint8_t *strong_at(const Matcher *m, uint32_t place)
{
    return (const uint8_t *)m->strong.buf + m->width * m->order[place];
}

/* The first place of [low, high) whose sum is not below `sum`. */
static uint32_t bisect_sum(const Matcher *m, uint32_t low, uint32_t high, uint32_t sum)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->sums[middle] < sum)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The place after the last of `sum`, which has one at `place`: almost always the next one. */
static uint32_t group_end(const Matcher *m, uint32_t place, uint32_t sum)
{
    if (place + 1 == m->count || m->sums[place + 1] != sum)
        return place + 1;
    return sum == UINT32_MAX ? m->count : bisect_sum(m, place, m->count, sum + 1);
}

/* The first place of [low, high) whose strong hash is not below `digest`. */
static uint32_t bisect_strong(const Matcher *m, uint32_t low, uint32_t high, const uint8_t *digest)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(strong_at(m, middle), digest, m->width) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t find_group(const Matcher *m, uint32_t sum)
{
    const uint32_t *entry = m->directory + (sum >> m->directory_shift);
    return bisect_sum(m, entry[0], entry[1], sum);
}

static bool passes(const Matcher *m, uint32_t sum)
{
    uint32_t slot = sum >> m->filter_shift;
    return m->filter[slot >> 3] >> (slot & 7) & 1;
}

/* Look for the group at `place` no more, and clear its bit in the filter if no group beside it needs that.
 * Many groups under one bit are crafted: to look through them at each death would be quadratic. */
static void kill_group(Matcher *m, uint32_t place)
{
    uint32_t slot = m->sums[place] >> m->filter_shift;
    uint32_t start = place, stop = group_end(m, place, m->sums[place]);
    m->left[place] = 0;
    m->live--;
    for (int i = 0; i < NEAR && start && m->sums[start - 1] >> m->filter_shift == slot; i++)
        if (m->left[--start])
            return;
    for (int i = 0; i < NEAR && stop < m->count && m->sums[stop] >> m->filter_shift == slot; i++)
        if (m->left[stop++])
            return;
    bool alone = (!start || m->sums[start - 1] >> m->filter_shift != slot) &&
                 (stop == m->count || m->sums[stop] >> m->filter_shift != slot);
    if (alone)
        m->filter[slot >> 3] &= (uint8_t) ~(1u << (slot & 7));
}

/* Is the window with this sum a wanted block? It is hashed only if the sum's group is alive. */
static bool check_window(Matcher *m, const uint8_t *data, int64_t position, int64_t base, uint32_t sum)
{
    uint32_t place = passes(m, sum) ? find_group(m, sum) : m->count;
    if (place == m->count || m->sums[place] != sum || !m->left[place])
        return false;
    uint64_t bytes = m->scanned + (uint64_t)position;
    if (m->vain >= GIVE_UP + bytes / m->block * VAIN_RATIO)
        return false;
    uint8_t digest[DIGEST];
    hash_node(data + position, m->block, digest);
    m->hashed++;
    uint32_t end = group_end(m, place, sum);
    uint32_t found = bisect_strong(m, place, end, digest);
    if (found == end || memcmp(strong_at(m, found), digest, m->width) != 0) {
        m->vain++;
        if (++m->failed[place] >= GIVE_UP + (bytes >> GIVE_UP_SHIFT))
            kill_group(m, place);
        return false;
    }
    if (m->where[found] < 0) {
        m->where[found] = base + position;
        m->pending--;
        if (m->left[place] == 1)
            kill_group(m, place);
        else
            m->left[place]--;
    }
    return true;
}

static uint32_t window_sum(const Matcher *m, const uint8_t *data)
{
    uint32_t sum = 0;
    for (size_t at = 0; at < m->block; at += LEAF)
        sum = sum * descending[0] * B + leaf_sum(data + at, LEAF);
    return sum;
}

/* Roll `sum` from the window at `position` to the first, that one included, which passes the filter, and
 * return its position, or `last` + 1. Four windows a turn: each sum comes from the first by one
 * multiplication, so that the chain from turn to turn is short. */
static int64_t roll(const Matcher *m, const uint8_t *data, int64_t position, int64_t last, uint32_t *sum)
{
    const uint32_t b2 = B * B, b3 = b2 * B, b4 = b2 * b2, out = m->block_power;
    const uint8_t *behind = data + position, *ahead = behind + m->block;
    uint32_t s = *sum;
    for (; last - position >= 4; position += 4, behind += 4, ahead += 4) {
        uint32_t e1 = ahead[0] - behind[0] * out;
        uint32_t e2 = e1 * B + ahead[1] - behind[1] * out;
        uint32_t e3 = e2 * B + ahead[2] - behind[2] * out;
        if (passes(m, s) | passes(m, s * B + e1) | passes(m, s * b2 + e2) | passes(m, s * b3 + e3))
            break;
        s = s * b4 + e3 * B + ahead[3] - behind[3] * out;
    }
    while (position <= last && !passes(m, s)) {
        if (position++ < last)
            s = s * B + *ahead++ - *behind++ * out;
    }
    *sum = s;
    return position;
}

/* Right after a match the next block is tried at once: where files agree, nothing is rolled over. */
static void scan_windows(Matcher *m, const uint8_t *data, int64_t last, int64_t base)
{
    int64_t position = 0;
    while (position <= last && m->live) {
        uint32_t sum = window_sum(m, data + position);
        while (position <= last && m->live) {
            if (check_window(m, data, position, base, sum)) {
                position += (int64_t)m->block;
                break;
            }
            if (position++ == last)
                break;
            sum = sum * B + data[position - 1 + (int64_t)m->block] - data[position - 1] * m->block_power;
            position = roll(m, data, position, last, &sum);
        }
    }
    m->scanned += (uint64_t)last + 1;
}

static PyObject *matcher_scan(PyObject *self, PyObject *args)
{
    Py_buffer data;
    long long base;
    if (!PyArg_ParseTuple(args, "y*L:scan", &data, &base))
        return NULL;
    Matcher *m = (Matcher *)self;
    bool fits = base >= 0 && base <= INT64_MAX - data.len;
    if (!fits)
        fail("base must not be negative, nor base + len(data) exceed 2**63 - 1");
    else if ((size_t)data.len >= m->block) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(m->lock, WAIT_LOCK);
        scan_windows(m, data.buf, (int64_t)((size_t)data.len - m->block), base);
        PyThread_release_lock(m->lock);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static PyObject *matcher_offsets(PyObject *self, PyObject *unused)
{
    (void)unused;
    Matcher *m = (Matcher *)self;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)m->count * 8);
    if (!result)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(m->lock, WAIT_LOCK);
    for (uint32_t place = 0, first = 0; place < m->count; place++) {
        if (m->sums[place] != m->sums[first] ||
            memcmp(strong_at(m, place), strong_at(m, first), m->width) != 0)
            first = place;
        store64(out + 8 * (size_t)m->order[place], (uint64_t)m->where[first]);
    }
    PyThread_release_lock(m->lock);
    Py_END_ALLOW_THREADS
    return result;
}

/* ---- making a Matcher ---- */

/* Sort sums and order by sum: a radix sort by bytes, least first; four passes end where they began. */
static void sort_by_sum(uint32_t *sums, uint32_t *order, uint32_t *spare, uint32_t count)
{
    uint32_t *from[2] = {sums, order}, *to[2] = {spare, spare + count};
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t next[257] = {0};
        for (uint32_t i = 0; i < count; i++)
            next[(from[0][i] >> shift & 255) + 1]++;
        for (int value = 0; value < 256; value++)
            next[value + 1] += next[value];
        for (uint32_t i = 0; i < count; i++) {
            uint32_t place = next[from[0][i] >> shift & 255]++;
            to[0][place] = from[0][i];
            to[1][place] = from[1][i];
        }
        for (int k = 0; k < 2; k++) {
            uint32_t *swap = from[k];
            from[k] = to[k];
            to[k] = swap;
        }
    }
}

/* Let the block at `root` of a heap sink until none below it has a greater strong hash. */
static void sift(Matcher *m, uint32_t start, uint32_t root, uint32_t size)
{
    for (uint32_t child; (child = 2 * root + 1) < size; root = child) {
        if (child + 1 < size &&
            memcmp(strong_at(m, start + child), strong_at(m, start + child + 1), m->width) < 0)
            child++;
        if (memcmp(strong_at(m, start + root), strong_at(m, start + child), m->width) >= 0)
            return;
        uint32_t swap = m->order[start + root];
        m->order[start + root] = m->order[start + child];
        m->order[start + child] = swap;
    }
}

/* Heapsort of a group by strong hash: no crafted order makes it slower, and it needs no memory. */
static void sort_group(Matcher *m, uint32_t start, uint32_t size)
{
    for (uint32_t root = size / 2; root-- > 0;)
        sift(m, start, root, size);
    while (size-- > 1) {
        uint32_t swap = m->order[start];
        m->order[start] = m->order[start + size];
        m->order[start + size] = swap;
        sift(m, start, 0, size);
    }
}

/* Sort each group, count its distinct blocks, and set its bit in the filter. */
static void index_groups(Matcher *m)
{
    for (uint32_t start = 0, stop; start < m->count; start = stop) {
        stop = group_end(m, start, m->sums[start]);
        sort_group(m, start, stop - start);
        uint32_t distinct = 1;
        for (uint32_t place = start + 1; place < stop; place++)
            distinct += memcmp(strong_at(m, place - 1), strong_at(m, place), m->width) != 0;
        m->left[start] = distinct;
        m->pending += distinct;
        m->live++;
        uint32_t slot = m->sums[start] >> m->filter_shift;
        m->filter[slot >> 3] |= (uint8_t)(1u << (slot & 7));
    }
}

static void index_sums(Matcher *m)
{
    uint32_t slots = UINT32_C(1) << (32 - m->directory_shift), place = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        while (place < m->count && m->sums[place] >> m->directory_shift < slot)
            place++;
        m->directory[slot] = place;
    }
    m->directory[slots] = m->count;
}

static int bits_for(uint32_t count, int spare, int most)
{
    int bits = MIN_FILTER_BITS;
    while (bits < most && (uint64_t)count << spare >> bits)
        bits++;
    return bits;
}

static bool allocate(Matcher *m)
{
    size_t count = m->count;
    int filter_bits = bits_for(m->count, FILTER_SPARE, MAX_FILTER_BITS);
    int directory_bits = bits_for(m->count, 0, MAX_DIRECTORY_BITS);
    m->filter_shift = 32 - filter_bits;
    m->directory_shift = 32 - directory_bits;
    m->sums = PyMem_RawMalloc(count * sizeof *m->sums);
    m->order = PyMem_RawMalloc(count * sizeof *m->order);
    m->where = PyMem_RawMalloc(count * sizeof *m->where);
    m->left = PyMem_RawCalloc(count, sizeof *m->left);
    m->failed = PyMem_RawCalloc(count, sizeof *m->failed);
    m->directory = PyMem_RawMalloc((((size_t)1 << directory_bits) + 1) * sizeof *m->directory);
    m->filter = PyMem_RawCalloc((size_t)1 << filter_bits >> 3, 1);
    m->lock = PyThread_allocate_lock();
    return m->sums && m->order && m->where && m->left && m->failed && m->directory && m->filter &&
           m->lock;
}

/* Returns false if there is no memory. */
static bool fill(Matcher *m, const uint8_t *weak)
{
    uint32_t *spare = PyMem_RawMalloc(2 * (size_t)m->count * sizeof *spare);
    if (!spare || !allocate(m)) {
        PyMem_RawFree(spare);
        return false;
    }
    for (uint32_t i = 0; i < m->count; i++) {
        m->sums[i] = load32(weak + 4 * (size_t)i);
        m->order[i] = i;
        m->where[i] = -1;
    }
    sort_by_sum(m->sums, m->order, spare, m->count);
    PyMem_RawFree(spare);
    index_groups(m);
    index_sums(m);
    return true;
}

static bool check_wanted(const Py_buffer *weak, const Py_buffer *strong, Py_ssize_t width,
                         Py_ssize_t block)
{
    if (weak->len % 4)
        return fail("weak must hold 4 bytes for each block");
    if (width < 1 || width > DIGEST)
        return fail("width must be 1 to 32");
    if (strong->len % width || strong->len / width != weak->len / 4)
        return fail("strong must hold width bytes for each block");
    if (weak->len / 4 > INT32_MAX)
        return fail("too many wanted blocks");
    Py_ssize_t size = LEAF;
    while (size < block && size <= PY_SSIZE_T_MAX / FANOUT)
        size *= FANOUT;
    if (size != block)
        return fail("block must be a leaf's size times a power of the fanout");
    return true;
}

static PyObject *matcher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer weak, strong;
    Py_ssize_t width, block;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Matcher takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "y*y*nn:Matcher", &weak, &strong, &width, &block))
        return NULL;
    Matcher *m = NULL;
    if (check_wanted(&weak, &strong, width, block))
        m = (Matcher *)type->tp_alloc(type, 0); /* all zero */
    if (!m) {
        PyBuffer_Release(&strong);
        PyBuffer_Release(&weak);
        return NULL;
    }
    m->strong = strong; /* from here on released with m */
    m->width = (size_t)width;
    m->block = (size_t)block;
    m->block_power = power((uint64_t)block);
    m->count = (uint32_t)(weak.len / 4);
    bool filled;
    Py_BEGIN_ALLOW_THREADS
    filled = fill(m, weak.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&weak);
    if (!filled) {
        Py_DECREF(m);
        return PyErr_NoMemory();
    }
    return (PyObject *)m;
}

static void matcher_dealloc(PyObject *self)
{
    Matcher *m = (Matcher *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyMem_RawFree(m->sums);
    PyMem_RawFree(m->order);
    PyMem_RawFree(m->where);
    PyMem_RawFree(m->left);
    PyMem_RawFree(m->failed);
    PyMem_RawFree(m->directory);
    PyMem_RawFree(m->filter);
    if (m->lock)
        PyThread_free_lock(m->lock);
    PyBuffer_Release(&m->strong);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *matcher_pending(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Matcher *)self)->pending);
}

static PyObject *matcher_hashed(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Matcher *)self)->hashed);
}

static PyMethodDef matcher_methods[] = {
    {"scan", matcher_scan, METH_VARARGS,
     "scan($self, data, base, /)\n--\n\nTry every window of data, whose first byte has offset base."},
    {"offsets", matcher_offsets, METH_NOARGS,
     "offsets($self, /)\n--\n\nAn int64 for each wanted block: an offset where it was found, or -1."},
    {0},
};

static PyGetSetDef matcher_getset[] = {
    {"pending", matcher_pending, NULL, "Distinct wanted blocks not yet found.", NULL},
    {"hashed", matcher_hashed, NULL, "Windows whose strong hash was computed.", NULL},
    {0},
};

static PyType_Slot matcher_slots[] = {
    {Py_tp_new, matcher_new},
    {Py_tp_dealloc, matcher_dealloc},
    {Py_tp_methods, matcher_methods},
    {Py_tp_getset, matcher_getset},
    {Py_tp_doc, "Matcher(weak, strong, width, block, /)\n--\n\nThe rolling search for wanted blocks."},
    {0},
};

static PyType_Spec matcher_spec = {
    .name = "pyzsync._kernel.Matcher",
    .basicsize = sizeof(Matcher),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = matcher_slots,
};

/* ---- the module ---- */

static int kernel_exec(PyObject *module)
{
    uint32_t factor = 1;
    for (int i = LEAF; i-- > 0; factor *= B)
        descending[i] = factor;
    PyObject *type = PyType_FromModuleAndSpec(module, &matcher_spec, NULL);
    if (!type)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed ? -1 : PyModule_AddStringConstant(module, "name", "c");
}

static PyMethodDef kernel_methods[] = {
    {"hash_leaves", hash_leaves, METH_VARARGS,
     "hash_leaves($module, data, /)\n--\n\nWeak and strong of each leaf: 4 and 32 bytes a leaf."},
    {"hash_nodes", hash_nodes, METH_VARARGS,
     "hash_nodes($module, weak, strong, child_size, length, /)\n--\n\n"
     "Weak and strong of the parents of a level."},
    {"equal_rows", equal_rows, METH_VARARGS,
     "equal_rows($module, a, b, width, /)\n--\n\n"
     "One byte for each row: 1 where a and b are equal, else 0."},
    {0},
};

static PyModuleDef_Slot kernel_slots[] = {
    {Py_mod_exec, kernel_exec},
    {0},
};

static struct PyModuleDef kernel_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyzsync._kernel",
    .m_doc = "The kernel in C; see pyzsync.kernel.",
    .m_methods = kernel_methods,
    .m_slots = kernel_slots,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&kernel_module);
}
