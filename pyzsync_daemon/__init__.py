"""The daemons: a hub that publishes a directory and clients that keep replicas of it."""

import os

# numpy brings a linear algebra library that starts a thread for each core when it is imported, and
# they spin for a while: 20 to 50 ms of processor time in every process, for what nothing here does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
