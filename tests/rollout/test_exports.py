"""What `pressrun.rollout` offers is imported when first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pressrun.rollout


@pytest.mark.parametrize("name", pressrun.rollout.__all__)
def test_what_is_offered_is_there(name: str) -> None:
    assert getattr(pressrun.rollout, name).__name__ == name


def test_what_is_not_offered_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = pressrun.rollout.nothing_such


@pytest.mark.parametrize("module", ["pressrun.rollout.kubernetes.controller", "pressrun.serving.app"])
def test_what_runs_in_a_pod_brings_neither_the_lake_nor_mlflow(module: str) -> None:
    heavy = ("pressrun.lake", "pyarrow", "deltalake", "mlflow", "pandas", "pyspark", "sqlalchemy")
    program = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
