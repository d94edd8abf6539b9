# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks write to a window of 50 MiB each, which they share."""

import numpy
from mpi4py import MPI

ranks = MPI.COMM_WORLD
window = MPI.Win.Allocate_shared(50 << 20, 1, comm=ranks)
memory, _unit = window.Shared_query(ranks.rank)
numpy.frombuffer(memory, "b")[:] = 1
ranks.Barrier()
if ranks.rank == 0:
    print("it is done", flush=True)
