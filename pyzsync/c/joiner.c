/* The join of two columns of hashes as a Python type; the work is in join.c. */
#define PY_SSIZE_T_CLEAN
#include "joiner.h"

#include "join.h"

enum {
    SEEDS = 24,
};

typedef struct {
    PyObject_HEAD
    Py_buffer weak, strong; /* the caller's, held while this lives */
    struct join join;
} Joiner;

static bool fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return false;
}

static bool check_rows(const Py_buffer *weak, const Py_buffer *strong, Py_ssize_t width)
{
    if (weak->len % 4)
        return fail("weak must hold 4 bytes for each block");
    if (width < 4 || width > DIGEST)
        return fail("width must be 4 to 32");
    if (strong->len % width || strong->len / width != weak->len / 4)
        return fail("strong must hold width bytes for each node");
    if (weak->len / 4 > MOST_NODES)
        return fail("too many nodes");
    return true;
}

static struct rows rows_of(const Py_buffer *weak, const Py_buffer *strong, Py_ssize_t width)
{
    return (struct rows){weak->buf, strong->buf, (size_t)width, (uint32_t)(weak->len / 4)};
}

static PyObject *joiner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer flags, weak, strong;
    Py_ssize_t width;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Join takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "y*y*y*n:Join", &flags, &weak, &strong, &width))
        return NULL;
    Joiner *j = NULL;
    if (check_rows(&weak, &strong, width) &&
        (flags.len == weak.len / 4 || fail("flags must hold a byte for each node")))
        j = (Joiner *)type->tp_alloc(type, 0); /* all zero */
    if (!j) {
        PyBuffer_Release(&strong);
        PyBuffer_Release(&weak);
        PyBuffer_Release(&flags);
        return NULL;
    }
    j->weak = weak; /* from here on released with j */
    j->strong = strong;
    j->join.wanted = rows_of(&weak, &strong, width);
    bool made;
    Py_BEGIN_ALLOW_THREADS
    made = make_join(&j->join, flags.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&flags);
    if (!made) {
        Py_DECREF(j);
        return PyErr_NoMemory();
    }
    return (PyObject *)j;
}

static void joiner_dealloc(PyObject *self)
{
    Joiner *j = (Joiner *)self;
    PyTypeObject *type = Py_TYPE(self);
    free_join(&j->join);
    PyBuffer_Release(&j->strong);
    PyBuffer_Release(&j->weak);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- what it does ---- */

static PyObject *joiner_feed(PyObject *self, PyObject *args)
{
    Py_buffer weak, strong;
    Py_ssize_t width;
    long long place;
    if (!PyArg_ParseTuple(args, "y*y*nL:feed", &weak, &strong, &width, &place))
        return NULL;
    bool fits = check_rows(&weak, &strong, width) &&
                ((place >= 0 && place <= MOST_NODES - weak.len / 4) || fail("place is out of range"));
    if (fits) {
        struct rows old = rows_of(&weak, &strong, width);
        Py_BEGIN_ALLOW_THREADS
        feed_join(&((Joiner *)self)->join, &old, (uint32_t)place);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&strong);
    PyBuffer_Release(&weak);
    return fits ? Py_NewRef(Py_None) : NULL;
}

static PyObject *joiner_places(PyObject *self, PyObject *unused)
{
    (void)unused;
    const struct join *join = &((Joiner *)self)->join;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)join->wanted.count * 4);
    if (!result)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(result);
    Py_BEGIN_ALLOW_THREADS
    for (uint32_t i = 0; i < join->wanted.count; i++)
        store32(out + 4 * (size_t)i, place_of(join, i));
    Py_END_ALLOW_THREADS
    return result;
}

/* ---- runs ---- */

struct runs {
    Py_buffer places, flags, weak, strong, old_weak, old_strong;
    Py_ssize_t width, old_width;
};

static bool check_runs(const struct runs *r)
{
    if (!check_rows(&r->weak, &r->strong, r->width) || !check_rows(&r->old_weak, &r->old_strong, r->old_width))
        return false;
    Py_ssize_t count = r->weak.len / 4;
    if (r->flags.len != count || r->places.len != 4 * count)
        return fail("flags and places must hold a byte and four for each node");
    for (Py_ssize_t i = 0; i < count; i++) {
        uint32_t place = load32((const uint8_t *)r->places.buf + 4 * i);
        if (place != NO_PLACE && place >= (uint32_t)(r->old_weak.len / 4))
            return fail("a place is out of range");
    }
    return true;
}

static void run_runs(const struct runs *r, uint32_t *places, uint8_t *out)
{
    const struct rows wanted = rows_of(&r->weak, &r->strong, r->width);
    const struct rows old = rows_of(&r->old_weak, &r->old_strong, r->old_width);
    for (uint32_t i = 0; i < wanted.count; i++)
        places[i] = load32((const uint8_t *)r->places.buf + 4 * (size_t)i);
    extend_runs(places, r->flags.buf, &wanted, &old);
    for (uint32_t i = 0; i < wanted.count; i++)
        store32(out + 4 * (size_t)i, places[i]);
}

PyObject *runs_extended(PyObject *module, PyObject *args)
{
    (void)module;
    struct runs r;
    if (!PyArg_ParseTuple(args, "y*y*y*y*ny*y*n:extend_runs", &r.places, &r.flags, &r.weak, &r.strong, &r.width,
                          &r.old_weak, &r.old_strong, &r.old_width))
        return NULL;
    PyObject *result = check_runs(&r) ? PyBytes_FromStringAndSize(NULL, r.places.len) : NULL;
    uint32_t *places = result ? PyMem_Malloc((size_t)r.places.len + 1) : NULL;
    if (places) {
        Py_BEGIN_ALLOW_THREADS
        run_runs(&r, places, (uint8_t *)PyBytes_AS_STRING(result));
        Py_END_ALLOW_THREADS
        PyMem_Free(places);
    } else if (result) {
        Py_CLEAR(result);
        PyErr_NoMemory();
    }
    Py_buffer *held[] = {&r.places, &r.flags, &r.weak, &r.strong, &r.old_weak, &r.old_strong};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        PyBuffer_Release(held[i]);
    return result;
}

static PyMethodDef joiner_methods[] = {
    {"feed", joiner_feed, METH_VARARGS,
     "feed($self, weak, strong, width, place, /)\n--\n\n"
     "Look up old nodes, of which the first is at `place`."},
    {"places", joiner_places, METH_NOARGS,
     "places($self, /)\n--\n\nAn int32 for each wanted node: the least place of an equal old one, or -1."},
    {0},
};

static PyType_Slot joiner_slots[] = {
    {Py_tp_new, joiner_new},
    {Py_tp_dealloc, joiner_dealloc},
    {Py_tp_methods, joiner_methods},
    {Py_tp_doc, "Join(flags, weak, strong, width, /)\n--\n\nWhere wanted nodes are among old ones."},
    {0},
};

static PyType_Spec joiner_spec = {
    .name = "pyzsync._kernel.Join",
    .basicsize = sizeof(Joiner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = joiner_slots,
};

/* Random bytes for the hash table. */
static bool seed(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *bytes = os ? PyObject_CallMethod(os, "urandom", "i", SEEDS) : NULL;
    if (bytes)
        seed_join((const uint8_t *)PyBytes_AS_STRING(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(os);
    return bytes != NULL;
}

int add_joiner(PyObject *module)
{
    PyObject *type = seed() ? PyType_FromModuleAndSpec(module, &joiner_spec, NULL) : NULL;
    if (!type)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}
