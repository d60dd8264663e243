/* The kernel in C as Python sees it; pyzsync/kernel.py states its contract, pyzsync/_numpy_kernel.py is its
 * twin. Every call takes its buffers, gives up the GIL for the work, and makes bytes.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "joiner.h"
#include "matcher.h"
#include "rows.h"
#include "tree.h"
#include "weak.h"

enum {
    MOST_LEVEL = 20,
};

/* ---- buffers ---- */

static bool fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return false;
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

/* ---- hash_leaves, hash_nodes, hash_levels, equal_rows ---- */

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
        hash_level_0(data.buf, data.len, weak, strong);
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
            hash_level_above(level.weak.buf, level.strong.buf, level.weak.len / 4, level.child_size,
                             level.length, weak, strong);
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&level.weak);
    PyBuffer_Release(&level.strong);
    return pair;
}

struct fold {
    Py_buffer data;
    int base, last;
    Py_ssize_t width;
};

static bool check_fold(const struct fold *f)
{
    if (f->base < 0 || f->base > f->last || f->last > MOST_LEVEL)
        return fail("levels must be 0 <= base <= last <= 20");
    if (f->width < 1 || f->width > DIGEST)
        return fail("width must be 1 to 32");
    if (f->data.len < 1 || pieces(f->data.len, LEAF) > INT64_C(1) << 2 * f->last)
        return fail("data must have a byte or more, and no more than a node of level last");
    return true;
}

/* What hash_levels returns to Python; NULL and an exception if there is no memory. */
static PyObject *fold_levels(const struct fold *f)
{
    Py_ssize_t count = (Py_ssize_t)count_nodes(f->data.len, f->base, f->last);
    uint8_t top[DIGEST], apex[DIGEST];
    struct levels out = {.width = (size_t)f->width};
    PyObject *pair = two_bytes(4 * count, f->width * count, &out.weak, &out.strong);
    if (!pair)
        return NULL;
    bool made;
    Py_BEGIN_ALLOW_THREADS
    made = hash_levels(f->data.buf, f->data.len, f->base, f->last, out, top, apex);
    Py_END_ALLOW_THREADS
    PyObject *result = made ? Py_BuildValue("OOy#y#", PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), top,
                                            (Py_ssize_t)DIGEST, apex, (Py_ssize_t)DIGEST)
                            : PyErr_NoMemory();
    Py_DECREF(pair);
    return result;
}

static PyObject *hash_levels_of(PyObject *module, PyObject *args)
{
    (void)module;
    struct fold f;
    if (!PyArg_ParseTuple(args, "y*iin:hash_levels", &f.data, &f.base, &f.last, &f.width))
        return NULL;
    PyObject *result = check_fold(&f) ? fold_levels(&f) : NULL;
    PyBuffer_Release(&f.data);
    return result;
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
        uint8_t *same = (uint8_t *)PyBytes_AS_STRING(result);
        Py_BEGIN_ALLOW_THREADS
        compare_rows(a.buf, b.buf, (size_t)(a.len / width), (size_t)width, same);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&a);
    PyBuffer_Release(&b);
    return result;
}

/* ---- the module ---- */

/* The variants that this build has and this CPU runs, the quickest first. */
static PyObject *simd_variants(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *names = PyList_New(0);
    for (const struct variant *const *v = variants; names && *v; v++) {
        if (!(*v)->runs())
            continue;
        PyObject *name = PyUnicode_FromString((*v)->name);
        if (!name || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyObject *use_simd(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:use_simd", &name))
        return NULL;
    for (const struct variant *const *v = variants; *v; v++)
        if (strcmp((*v)->name, name) == 0 && (*v)->runs()) {
            use_variant(*v);
            return Py_NewRef(Py_None);
        }
    return PyErr_Format(PyExc_ValueError, "%s is not among simd_variants()", name);
}

static PyObject *simd(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(variant()->name);
}

static int kernel_exec(PyObject *module)
{
    weak_tables();
    const struct variant *const *best = variants;
    while (!(*best)->runs())
        best++;
    use_variant(*best);
    bool added = add_joiner(module) == 0 && add_matcher(module) == 0;
    return added ? PyModule_AddStringConstant(module, "name", "c") : -1;
}

static PyMethodDef kernel_methods[] = {
    {"hash_leaves", hash_leaves, METH_VARARGS,
     "hash_leaves($module, data, /)\n--\n\nWeak and strong of each leaf: 4 and 32 bytes a leaf."},
    {"hash_nodes", hash_nodes, METH_VARARGS,
     "hash_nodes($module, weak, strong, child_size, length, /)\n--\n\n"
     "Weak and strong of the parents of a level."},
    {"hash_levels", hash_levels_of, METH_VARARGS,
     "hash_levels($module, data, base, last, width, /)\n--\n\n"
     "Weak and cut strong of all nodes of some levels, and two full digests."},
    {"equal_rows", equal_rows, METH_VARARGS,
     "equal_rows($module, a, b, width, /)\n--\n\n"
     "One byte for each row: 1 where a and b are equal, else 0."},
    {"extend_runs", runs_extended, METH_VARARGS,
     "extend_runs($module, places, flags, weak, strong, width, old_weak, old_strong, old_width, /)\n--\n\n"
     "An int32 for each wanted node: its place, or the one that follows from a neighbour's, or -1."},
    {"simd_variants", simd_variants, METH_NOARGS,
     "simd_variants($module, /)\n--\n\nThe variants that run here, the quickest first."},
    {"use_simd", use_simd, METH_VARARGS,
     "use_simd($module, name, /)\n--\n\nLet this variant do the work from now on."},
    {"simd", simd, METH_NOARGS, "simd($module, /)\n--\n\nThe variant that does the work."},
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
