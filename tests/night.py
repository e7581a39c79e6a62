"""One night of the loop on simulated articles, run by the real stages; a test gets a copy of what it left behind."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult, StepKey
from pressrun.loop import run_stage
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step, open_lake
from pressrun.taste import tasting_environment

NEWSROOM = Newsroom(seed=3, articles_per_night=400)
RETRAIN = "topics_retrain"
STAGES = ("ingest", "sample", "label", "train", "gate")


def nightly(pipeline: Pipeline) -> Pipeline:
    """The pipeline with a quick training, people's answers from the oracle, and a gate that so few articles pass."""
    given = pipeline.model_dump()
    given["articles"]["read"] = {}
    given["sample"] |= {"rows": 240, "strata": ["predicted_topic"]}
    given["label"]["oracle"] = True
    given["label"]["audit"] |= {"share": 0.4, "floor": 0.6, "min_rows": 10}
    given["train"]["families"] = ["svm"]
    given["gate"] |= {"min_audited": 40, "floors": {"macro_f1": 0.4}, "bootstrap": 200, "latency_p99_ms": 10_000}
    given["alerts"]["slack"] = None
    return Pipeline.model_validate(given)


@dataclass(frozen=True, kw_only=True)
class Night:
    """A home in which night 1 has run from `ingest` to `gate`, with what each stage handed on."""

    environment: Environment
    pipeline: Pipeline
    results: dict[str, StageResult]

    @classmethod
    def begun(cls, home: Path, pipeline: Pipeline) -> Night:
        """Lands and runs the night in an empty home."""
        night = cls(environment=tasting_environment(home), pipeline=nightly(pipeline), results={})
        night.land(1)
        return replace(night, results={name: night.run(name) for name in STAGES})

    def copied(self, home: Path) -> Night:
        """The same in another home. Bundles and what MLflow keeps in files stay where they are."""
        kept = shutil.ignore_patterns("mlflow-artifacts", "models")
        shutil.copytree(self.environment.home, home, ignore=kept, dirs_exist_ok=True)
        return replace(self, environment=tasting_environment(home))

    def land(self, night: int) -> None:
        write_night(NEWSROOM, night, out=Path(self.environment.landing) / self.pipeline.model)

    def run(self, name: str, run: str = "night-1", *, fresh: bool = False) -> StageResult:
        """Runs one stage of a run, as its task would; the stages before it must have run."""
        return run_stage(
            name, pipeline=self.pipeline, environment=self.environment, dag_id=RETRAIN, run_id=run, fresh=fresh
        )

    def step(self, task: str, run: str = "night-1", **more: Any) -> Step:
        key = StepKey(dag_id=RETRAIN, run_id=run, task_id=task)
        given = {"pipeline": self.pipeline, "environment": self.environment, "lake": open_lake(self.environment)}
        return Step(key=key, **(given | more))
