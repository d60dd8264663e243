/* The rolling search as a Python type; the work is in wanted.c and search.c. */
#define PY_SSIZE_T_CLEAN
#include "matcher.h"

#include "search.h"

typedef struct {
    PyObject_HEAD
    Py_buffer strong; /* the caller's, held while this lives */
    struct wanted wanted;
    _Atomic int64_t hashed;
} Matcher;

static bool fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return false;
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
    m->wanted.strong = strong.buf;
    m->wanted.width = (size_t)width;
    m->wanted.block = (size_t)block;
    m->wanted.count = (uint32_t)(weak.len / 4);
    bool filled;
    Py_BEGIN_ALLOW_THREADS
    filled = make_wanted(&m->wanted, weak.buf);
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
    free_wanted(&m->wanted);
    PyBuffer_Release(&m->strong);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- what it does ---- */

static bool check_base(const Py_buffer *data, long long base)
{
    return (base >= 0 && base <= INT64_MAX - data->len) ||
           fail("base must not be negative, nor base + len(data) exceed 2**63 - 1");
}

/* What a scan that hashed so many windows returns; -1: it had no memory. */
static PyObject *counted(Matcher *m, int64_t hashed)
{
    if (hashed < 0)
        return PyErr_NoMemory();
    atomic_fetch_add_explicit(&m->hashed, hashed, memory_order_relaxed);
    return Py_NewRef(Py_None);
}

static PyObject *matcher_scan(PyObject *self, PyObject *args)
{
    Py_buffer data;
    long long base, done = -1;
    if (!PyArg_ParseTuple(args, "y*L|L:scan", &data, &base, &done))
        return NULL;
    Matcher *m = (Matcher *)self;
    int64_t hashed = 0;
    bool fits = check_base(&data, base);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        hashed = search(&m->wanted, data.buf, (size_t)data.len, base, done < 0 ? base : done);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return fits ? counted(m, hashed) : NULL;
}

/* Do these rows of two int64 lie at or behind `base`, and none ends before it begins? */
static bool check_ranges(const Py_buffer *ranges, long long base)
{
    if (ranges->len % 16)
        return fail("ranges must hold 16 bytes for each range");
    const uint8_t *at = ranges->buf, *end = at + ranges->len;
    for (; at < end; at += 16) {
        int64_t start = (int64_t)load64(at), stop = (int64_t)load64(at + 8);
        if (start < base || stop < start)
            return fail("a range must not begin before base, nor end before it begins");
    }
    return true;
}

/* Each as a scan of its own. What the data do not have is left out. The windows hashed, or -1. */
static int64_t scan_ranges(Matcher *m, const Py_buffer *data, int64_t base, const Py_buffer *ranges,
                           int64_t done)
{
    const uint8_t *at = ranges->buf, *range_end = at + ranges->len;
    int64_t end = base + data->len, hashed = 0, found = 0;
    for (; at < range_end && found >= 0; at += 16, hashed += found) {
        int64_t start = (int64_t)load64(at), stop = (int64_t)load64(at + 8);
        stop = stop < end ? stop : end;
        found = start >= stop ? 0
                              : search(&m->wanted, (const uint8_t *)data->buf + (start - base),
                                       (size_t)(stop - start), start, done < 0 ? start : done);
    }
    return found < 0 ? -1 : hashed;
}

static PyObject *matcher_scan_ranges(PyObject *self, PyObject *args)
{
    Py_buffer data, ranges;
    long long base, done = -1;
    if (!PyArg_ParseTuple(args, "y*Ly*|L:scan_ranges", &data, &base, &ranges, &done))
        return NULL;
    Matcher *m = (Matcher *)self;
    int64_t hashed = 0;
    bool fits = check_base(&data, base) && check_ranges(&ranges, base);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        hashed = scan_ranges(m, &data, base, &ranges, done);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&ranges);
    PyBuffer_Release(&data);
    return fits ? counted(m, hashed) : NULL;
}

static PyObject *matcher_offsets(PyObject *self, PyObject *unused)
{
    (void)unused;
    const struct wanted *w = &((Matcher *)self)->wanted;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)w->count * 8);
    if (!result)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
    Py_BEGIN_ALLOW_THREADS
    for (size_t i = 0; i < w->count; i++) {
        int64_t where = atomic_load_explicit(&w->where[w->which[i]], memory_order_relaxed);
        store64(out + 8 * i, where == NOWHERE ? UINT64_MAX : (uint64_t)where);
    }
    Py_END_ALLOW_THREADS
    return result;
}

static PyObject *matcher_pending(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Matcher *)self)->wanted.pending);
}

static PyObject *matcher_hashed(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Matcher *)self)->hashed);
}

static PyMethodDef matcher_methods[] = {
    {"scan", matcher_scan, METH_VARARGS,
     "scan($self, data, base, done=-1, /)\n--\n\n"
     "Try the windows of data, whose first byte has offset base. What lies before offset done\n"
     "(if negative: before base) has been scanned."},
    {"scan_ranges", matcher_scan_ranges, METH_VARARGS,
     "scan_ranges($self, data, base, ranges, done=-1, /)\n--\n\n"
     "Scan each of some ranges of offsets (int64: start, stop), all in data, by itself."},
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

int add_matcher(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &matcher_spec, NULL);
    if (!type)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}
