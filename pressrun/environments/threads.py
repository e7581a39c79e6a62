"""How many threads numerical libraries start."""

from __future__ import annotations

import math

# Where they read it from: OpenMP (LightGBM, torch, scikit-learn), BLAS, and the rest by their names.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


def thread_variables(cpu: float | None) -> dict[str, str]:
    """The variables that hold them to `cpu` cores, rounded up; none where no number is named."""
    return dict.fromkeys(_VARIABLES, str(math.ceil(cpu))) if cpu else {}
