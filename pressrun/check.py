"""What `pressrun check` tells: everything about config files that can be told before a night is run or paid for.

A stage is imported only where a pipeline leaves its own ground: code of one's own, options, an LLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pressrun.config import check
from pressrun.config.pipeline import Own, Pipeline
from pressrun.config.problems import Problem
from pressrun.config.uses import Finding


def check_all(pipelines: Sequence[str | Path] = (), environment: str | Path | None = None) -> list[Problem]:
    """The problems of the named pipelines (by default all) and of the environment. Imports what `uses` names."""
    return check.check_all(pipelines, environment, prechecks=(_labeling, _training, _gates, _drift))


def _labeling(pipeline: Pipeline) -> Iterable[Finding]:
    if not any(spec.uses or spec.options or spec.labeler == "llm" for spec in pipeline.label.chain):
        return ()
    from pressrun.labeling.precheck import precheck

    return precheck(pipeline)


def _training(pipeline: Pipeline) -> Iterable[Finding]:
    if not any(isinstance(spec, Own) for spec in (*pipeline.train.families, *pipeline.train.features)):
        return ()
    from pressrun.training.precheck import precheck

    return precheck(pipeline)


def _gates(pipeline: Pipeline) -> Iterable[Finding]:
    if not (pipeline.gate.metrics or pipeline.gate.checks):
        return ()
    from pressrun.gates.own import precheck

    return precheck(pipeline)


def _drift(pipeline: Pipeline) -> Iterable[Finding]:
    if not pipeline.drift.tests:
        return ()
    from pressrun.drift.own import precheck

    return precheck(pipeline)
