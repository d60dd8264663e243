#ifndef PYZSYNC_JOINER_H
#define PYZSYNC_JOINER_H

#include <Python.h>

/* Adds the type Join to the module; -1 and an exception if it cannot. */
int add_joiner(PyObject *module);

/* The function extend_runs of the module. */
PyObject *runs_extended(PyObject *module, PyObject *args);

#endif
