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
Dag = Annotated[str | None, typer.Option(help="whose runs: <model>_retrain, to go on with one of Airflow's; else cli")]
Fresh = Annotated[bool, typer.Option("--fresh", help="do the work again even if an earlier run did the very same")]


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


def run_of(environment: Environment, model: str, *, begin: bool, given: str | None) -> str:
    """The run to work on, remembered in the home folder between commands."""
    remembered = Path(environment.home) / "runs" / f"{model}.txt"
    if given is None and not begin:
        return remembered.read_text().strip() if remembered.is_file() else "none yet"
    run = given or f"cli__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(run + "\n")
    return run
