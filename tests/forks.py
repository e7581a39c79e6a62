"""Processes that die or race: one server imports everything once and forks them, where fresh ones would cost seconds.

There is one server a test process, and it imports what the first who starts it names: hence one list for all.
"""

from __future__ import annotations

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pressrun.ingest", "pressrun.sampling.duck", "pressrun.labeling", "pressrun.training", "mlflow", "tests.night"]
)
