"""The driver of a job: runs one stage of one step as its task would, wherever a platform has started it.

`python -m pressrun.driver ORDER [--platform-session]`; ORDER is the name of a file that came with the job. A stage's
pod has no file and is told in a variable: `--order-in NAME`. What was made is found in the lake by the step's key.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pressrun import tracing
from pressrun.compute.fence import FencedLake
from pressrun.compute.order import WorkOrder
from pressrun.compute.stage_pod import unpacked
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.environments import runtime_of
from pressrun.lake.errors import SupersededError
from pressrun.lake.types import StageResult
from pressrun.loop import stage
from pressrun.step import Step, open_lake

log = logging.getLogger("pressrun.driver")
SUPERSEDED = 75
"""The exit status of a job in whose place another was started: cancelled, as far as anybody waits for it."""


def run(order: WorkOrder, folder: Path) -> StageResult:
    """Runs the stage; config and what else is local lie in `folder`. Raises SupersededError and what the stage does."""
    order.unpack(folder)
    os.environ["PRESSRUN_CONFIG"] = str(folder / "config")
    environment = Environment.model_validate(order.environment).model_copy(update={"home": folder / "home"})
    step = Step(
        key=order.key,
        pipeline=Pipeline.model_validate(order.pipeline),
        environment=environment,
        lake=FencedLake.of(open_lake(environment), key=order.key, fence=order.fence),
        fresh=order.fresh,
        progress=tell,
        asked=order.asked,
        placed=runtime_of(environment, order.stage),
    )
    return stage(order.stage)(step, *order.upstream)


def tell(message: str, done: int = 0, total: int | None = None) -> None:
    """Progress into the driver's log."""
    log.info("%s%s", message, f" {done}/{total}" if total else "")


def main() -> int:
    """Returns the exit status: 0, or SUPERSEDED; what the stage raises ends the job as failed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stdout)
    parser = argparse.ArgumentParser(prog="pressrun.driver")
    parser.add_argument("order", nargs="?", default="")
    parser.add_argument("--order-in", metavar="NAME", help="the variable of the environment that holds the order")
    parser.add_argument("--platform-session", action="store_true", help="use the session that the platform offers")
    given = parser.parse_args()
    session = _platform_session() if given.platform_session else None
    order = _order(given.order, given.order_in)
    if order.traces:
        os.environ.setdefault(tracing.ENDPOINT, order.traces)
    tracing.export("pressrun-job")
    try:
        with tempfile.TemporaryDirectory(prefix="pressrun-job-") as folder, tracing.continued(_trace_of(order)):
            result = run(order, Path(folder))
    except SupersededError as late:
        log.warning("cancelled: %s", late)
        return SUPERSEDED
    finally:
        if session is not None:
            session.stop()
    log.info("finished %s: %s", order.key, ", ".join(f"{name} {ref}" for name, ref in result.datasets.items()))
    return 0


def _order(file: str, variable: str | None) -> WorkOrder:
    if variable is None:
        return WorkOrder.model_validate_json(_shipped(file).read_text(encoding="utf-8"))
    if variable not in os.environ:
        raise SystemExit(f"there is no variable {variable}, which holds what this pod is to do")
    return unpacked(os.environ[variable])


def _trace_of(order: WorkOrder) -> dict[str, str]:
    """What the job does is told below the task that asked for it."""
    return {tracing.PARENT: order.trace} if order.trace else {}


def _platform_session() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


def _shipped(name: str) -> Path:
    """A file that came with the job: in the working folder, or where Spark has put it."""
    if Path(name).is_file():
        return Path(name)
    from pyspark import SparkFiles

    return Path(SparkFiles.get(name))


if __name__ == "__main__":
    sys.exit(main())
