"""A stage in its own process: `python -m pressrun.inside ANSWER_FD`, started by `pressrun.environments.guard`.

The function, the step and its record in the lake are those of the task; only the packages are others.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback

from pressrun import tracing
from pressrun.environments.order import Answers, ProcessOrder
from pressrun.loop import stage


def main() -> int:
    """Returns the exit status: 0, or 1 for a stage that raised, whose traceback is in the log."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stdout)
    order = ProcessOrder.model_validate_json(sys.stdin.buffer.readline())
    answers = Answers(int(sys.argv[1]))
    # What the stage itself starts has no use for the pipe, and would keep it open.
    os.set_inheritable(int(sys.argv[1]), False)
    tracing.export("pressrun-stage")
    try:
        with tracing.continued(order.trace):
            answers.result(stage(order.stage)(order.step(answers), *order.upstream))
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        answers.failure(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
