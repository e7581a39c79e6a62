"""Graphics processors of this machine, as their driver tells them."""

from __future__ import annotations

import os
import shutil
import subprocess

from pressrun.compute.platform import ConfigurationFailed


def gpus() -> list[str]:
    """The ids that this process may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = _listed()
    if named is None or not there:
        return there
    return [one for one in named.split(",") if one.strip() and one.strip() != "-1"]


def demand_gpus(stage: str, count: int) -> list[str]:
    """The ids of `count` of them. Raises ConfigurationFailed where there are fewer."""
    found = gpus()
    if len(found) < count:
        hint = (
            f"Run the worker on a machine with {count} (nvidia-smi lists what its driver sees), or lower "
            f"stages.{stage}.resources.gpu"
        )
        raise ConfigurationFailed(f"stage {stage} asks for {count} gpu, and this machine has {len(found)}", hint=hint)
    return found[:count]


def _listed() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, "--query-gpu=index", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.split() if told.returncode == 0 else []
