"""Options that commands share, and what they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.config.pipeline import Pipeline

PipelineName = Annotated[
    str | None,
    typer.Argument(metavar="[PIPELINE]", help="a name in config/pipelines, or a path; may be left out if there is one"),
]
EnvironmentName = Annotated[
    str | None,
    typer.Option(
        "--environment", "-e", help="a name in config/environments, or a path; else PRESSRUN_ENVIRONMENT, else laptop"
    ),
]
Run = Annotated[
    str | None,
    typer.Option(help="the run to go on with, or to begin: ingest begins a new one, the others go on with the newest"),
]
Dag = Annotated[
    str | None, typer.Option(help="whose run, together with --run: <model>_retrain goes on with one of Airflow's")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="do the work again even if an earlier run did the very same")]
HERE = "cli"


class NoRun(RuntimeError):
    """A stage was asked for before any run has begun; the message names the command that begins one."""


def pipeline_of(name: str | None) -> Pipeline:
    """The named pipeline, or the only one there is."""
    from pressrun.config.load import load_pipeline, pipeline_files
    from pressrun.config.problems import ConfigError, Problem

    if name:
        return load_pipeline(name)
    files = pipeline_files()
    if len(files) == 1:
        return load_pipeline(files[0])
    names = ", ".join(file.stem for file in files) or "none"
    raise ConfigError([Problem(reason=f"say which pipeline; there are: {names}")])


def run_of(stage: str, environment: Environment, model: str, *, dag: str | None, given: str | None) -> str:
    """The run that `stage` works on. The newest that the command line began is remembered in the home folder.

    Raises NoRun where none has begun, ValueError for another's run that is not named.
    """
    if dag not in (None, HERE) and given is None:
        raise ValueError(f"--dag {dag} needs --run, too: the run's id as Airflow shows it")
    if dag not in (None, HERE) or stage == "drift":
        return given or _new_run()  # Another's run, or one of its own: what `train` goes on with stays as it is.
    if given is None and stage != "ingest":
        return _remembered(environment, model, stage)
    return _begun(environment, model, given or _new_run())


def _remembered(environment: Environment, model: str, stage: str) -> str:
    file = _file(environment, model)
    if not file.is_file():
        raise NoRun(f"{stage} needs ingest, and no run of {model} has begun here. Begin one: pressrun ingest")
    return file.read_text(encoding="utf-8").strip()


def _begun(environment: Environment, model: str, run: str) -> str:
    file = _file(environment, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(run + "\n", encoding="utf-8")
    return run


def _file(environment: Environment, model: str) -> Path:
    return Path(environment.home) / "runs" / f"{model}.txt"


def _new_run() -> str:
    return f"cli__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
