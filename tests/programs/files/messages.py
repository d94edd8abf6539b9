# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks add their numbers up, and send some to each other."""

import numpy
from mpi4py import MPI

ranks = MPI.COMM_WORLD
numbers, total = numpy.ones(1 << 17), numpy.zeros(1 << 17)
ranks.Allreduce(numbers, total)
ranks.alltoall([numbers] * ranks.size)
if ranks.rank == 0 and total[0] == ranks.size:
    print("it is done", flush=True)
