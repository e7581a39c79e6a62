"""The judges without a loop: what `pressrun gate` and `drift` do with files and registered models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pressrun.cli.terminal import tell_progress

if TYPE_CHECKING:
    from pressrun.config.pipeline import Pipeline
    from pressrun.step import Step
    from pressrun.verdict import Verdict


def gate_alone(
    pipeline: Pipeline,
    *,
    predictions: Path | None,
    candidate: str | None,
    against: str | None,
    truth: Path | None,
    report: Path | None,
    environment: str | None,
) -> Verdict | None:
    """The verdict on files or on registered versions; None where the options ask for neither.

    Raises ValueError for options that do not go together.
    """
    _refuse(predictions=predictions, candidate=candidate, against=against, truth=truth, report=report)
    if predictions is not None:
        from pressrun.gates import gate_files

        return gate_files(predictions, _file(against), policy=pipeline.gate, report=report)
    if candidate is not None:
        return _versions(_step(pipeline, environment), candidate, against, truth, report)
    return None


def drift_alone(
    pipeline: Pipeline, *, reference: Path | None, current: Path | None, report: Path | None
) -> Verdict | None:
    """The verdict on two files; None where the options ask for none. Raises ValueError where one is missing."""
    if reference is None and current is None:
        if report is not None:
            raise ValueError("--report goes with --reference and --current: in a loop the report has its own place")
        return None
    if reference is None or current is None:
        raise ValueError("drift alone needs both files: --reference before.parquet --current now.parquet")
    from pressrun.drift import compare_files

    return compare_files(reference, current, policy=pipeline.drift, report=report)


def _versions(step: Step, candidate: str, against: str | None, truth: Path | None, report: Path | None) -> Verdict:
    from pressrun.cli.chosen import registered
    from pressrun.cli.labeled import labeled_rows
    from pressrun.gates import gate_models

    model = step.pipeline.model
    ours = registered(step.environment, model, candidate)
    theirs = registered(step.environment, model, against) if against else None
    labeled = labeled_rows(truth, step.pipeline) if truth else None
    rows, notes = (labeled.table, (labeled.note,) if labeled.note else ()) if labeled else (None, ())
    return gate_models(step, ours, theirs, rows=rows, report=report, notes=notes)


def _step(pipeline: Pipeline, environment: str | None) -> Step:
    from pressrun.config.load import load_environment
    from pressrun.lake import StepKey
    from pressrun.step import Step, open_lake

    place, key = load_environment(environment), StepKey(dag_id="cli", run_id="alone", task_id="gate")
    return Step(key=key, pipeline=pipeline, environment=place, lake=open_lake(place), progress=tell_progress)


def _file(text: str | None) -> Path | None:
    if text is not None and not Path(text).is_file():
        raise ValueError(f"--against {text}: there is no such file; with --predictions it is the champion's Parquet")
    return Path(text) if text else None


def _refuse(
    *, predictions: Path | None, candidate: str | None, against: str | None, truth: Path | None, report: Path | None
) -> None:
    if predictions is not None and candidate is not None:
        raise ValueError("give --predictions or --candidate, not both: two files, or two registered versions")
    if truth is not None and candidate is None:
        raise ValueError("--truth goes with --candidate; files of predictions hold their truth in the column target")
    if candidate is None and predictions is None:
        for name, given in (("against", against), ("report", report)):
            if given is not None:
                raise ValueError(f"--{name} goes with --candidate or --predictions: in a loop there is no need of it")
