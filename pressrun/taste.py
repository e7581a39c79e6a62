"""A first taste of the loop in one process: articles to a gate verdict, with no Airflow, no server and no Java."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pressrun.config.environment import Environment, LakeRoot, Mlflow, Spark
from pressrun.config.find import default_home
from pressrun.config.pipeline import Pipeline
from pressrun.demo.nights import data_files
from pressrun.lake import StageResult
from pressrun.loop import run_stage
from pressrun.progress import Progress

STAGES = ("ingest", "sample", "label", "train", "gate")
# Enough for a gate verdict, few enough for a minute on two slow cores.
SIMULATED_ARTICLES = 2500
SAMPLED_ROWS = 1200
# The gate needs min_audited true labels that nothing was trained on; a loop gathers them over many nights.
AUDIT_SHARE = 0.2

Starting = Callable[[str], Progress]
Finished = Callable[[str, StageResult], None]


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What became of it: the result of each stage that ran, and where the articles came from."""

    results: dict[str, StageResult]
    synthetic: bool
    home: Path


def taste(
    pipeline: Pipeline,
    *,
    data: Path | None,
    keep: Path | None,
    starting: Starting,
    finished: Finished,
) -> Taste:
    """Runs `STAGES` on the articles in `data`, else on simulated ones, and stops at a verdict that is no pass.

    All is written to `keep`, else to a folder of its own that the next taste empties, so that its report can be looked
    at. The data's own labels answer people's questions.
    """
    home = _home(keep)
    environment = tasting_environment(home)
    tasted = tasting_pipeline(pipeline, read=_given(pipeline, data) if data else _simulated(home))
    results: dict[str, StageResult] = {}
    for name in STAGES:
        results[name] = _run(name, tasted, environment, starting(name))
        finished(name, results[name])
        if _stops(results[name]):
            break
    return Taste(results=results, synthetic=data is None, home=home)


def tasting_environment(home: Path) -> Environment:
    """Everything below `home`, with the engine that needs no Java and MLflow without a server."""
    return Environment(
        name="taste",
        home=home,
        lake=LakeRoot(root=str(home / "lake")),
        database=f"sqlite:///{home / 'pressrun.db'}",
        landing=str(home / "landing"),
        mlflow=Mlflow(tracking_uri=f"sqlite:///{home / 'mlflow.db'}"),
        spark=Spark(engine="duckdb"),
    )


def tasting_pipeline(pipeline: Pipeline, *, read: dict[str, object]) -> Pipeline:
    """The pipeline with what one night in one process asks for; the rest as in its file."""
    given = pipeline.model_dump()
    given["articles"]["read"] = read
    given["sample"] |= {"rows": min(SAMPLED_ROWS, pipeline.sample.rows), "engine": "duckdb"}
    given["label"]["oracle"] = True
    given["label"]["audit"]["share"] = max(AUDIT_SHARE, pipeline.label.audit.share)
    given["alerts"]["slack"] = None
    return Pipeline.model_validate(given)


def _run(name: str, pipeline: Pipeline, environment: Environment, progress: Progress) -> StageResult:
    return run_stage(name, pipeline=pipeline, environment=environment, dag_id="taste", run_id="one", progress=progress)


def _stops(result: StageResult) -> bool:
    return result.verdict is not None and result.verdict.decision.value != "pass"


def _home(keep: Path | None) -> Path:
    home = (keep or default_home() / "try").absolute()
    if keep is None:
        shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    return home


def _given(pipeline: Pipeline, data: Path) -> dict[str, object]:
    read = pipeline.articles.read
    found = data_files(data, format=read.format)
    path = data.absolute() if data.is_file() else data.absolute() / f"*{found[0].suffix}"
    return read.model_dump() | {"path": str(path)}


def _simulated(home: Path) -> dict[str, object]:
    from pressrun.simulator import Newsroom, write_night

    newsroom = Newsroom(nights=1, articles_per_night=SIMULATED_ARTICLES)
    night = write_night(newsroom, 1, out=home / "simulated")
    return {"path": str(night.articles), "format": "jsonl"}
