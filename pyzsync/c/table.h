#ifndef PYZSYNC_TABLE_H
#define PYZSYNC_TABLE_H

#include "common.h"

/* Memory for a table that is read all over: in huge pages, if the system has them, or most of the time goes
 * into looking up pages. NULL if there is none. To be freed by `free`. */
void *new_table(size_t count, size_t size);

#endif
