#ifndef PYZSYNC_MATCHER_H
#define PYZSYNC_MATCHER_H

#include <Python.h>

/* Adds the type Matcher to the module; -1 and an exception if it cannot. */
int add_matcher(PyObject *module);

#endif
