"""A home in which readers have clicked, and what a test asks of it: to land, to ship, to erase, to look everywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pressrun.config.environment import Environment
from pressrun.config.load import load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.ingest import ingest
from pressrun.lake import StepKey
from pressrun.rollout.shipping import ship
from pressrun.serving.log import PredictionLog
from pressrun.step import Step, open_lake
from pressrun.upkeep.erasure import erase
from pressrun.upkeep.receipt import Receipt

ANN, BOB = "ann@example.org", "bob@example.org"
PIPELINE = """\
model: topics
owner: news-ml
articles:
  read: {format: jsonl}
interactions: {path: PATH}
label:
  taxonomy: TAXONOMY
  chain: [{labeler: static, accept_above: 0.8}]
"""


class Site:
    """An environment in which two readers have clicked, and a server logs what it predicted for them."""

    def __init__(self, environment: Environment, pipeline: Pipeline, shown: Path) -> None:
        self.environment, self.pipeline, self.shown = environment, pipeline, shown
        self.lake = open_lake(environment)
        self.spool = Path(environment.home) / "rollouts" / "topics" / "spool"

    def land(self, name: str, *impressions: tuple[str, str]) -> Path:
        """Impressions as (impression id, reader)."""
        rows = [{"impression_id": i, "article_id": "x", "reader_id": r, "slate_id": f"s-{i}"} for i, r in impressions]
        file = self.shown / name
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file

    def ingest(self, run: str) -> None:
        key = StepKey(dag_id="topics_retrain", run_id=run, task_id="ingest")
        ingest(Step(key=key, pipeline=self.pipeline, environment=self.environment, lake=self.lake))

    def moved(self, environment: Environment, shown: str) -> None:
        """Interactions land there from now on."""
        config = Path(os.environ["PRESSRUN_CONFIG"]) / "pipelines" / "topics.yaml"
        before = self.pipeline.interactions
        assert before is not None
        config.write_text(config.read_text().replace(f"path: {before.path}}}", f"path: {shown}}}"))
        self.environment, self.pipeline, self.lake = environment, load_pipeline(config), open_lake(environment)

    def predict(self, server: str, *impressions: str) -> None:
        log = PredictionLog(self.spool, server_id=server)
        log.write([prediction(one) for one in impressions])
        log.close()

    def ship(self) -> None:
        ship(self.lake, self.spool, pipeline="topics", live=())

    def erase(self, reader: str = ANN) -> Receipt:
        return erase(self.environment, reader, actor="dpo", reason="asked for it")[0]

    def anywhere(self, *words: str) -> list[str]:
        """The files of the home that hold one of the words, Parquet read as such."""
        return [str(f) for f in Path(self.environment.home).rglob("*") if f.is_file() and holds(f, words)]


def prediction(impression: str) -> dict[str, object]:
    return {
        "request_id": f"q-{impression}",
        "model": "topics",
        "impression_id": impression,
        "at": "2026-01-05T08:00:00+00:00",
        "scores": {"a": 0.5},
        "features": {},
    }


def holds(file: Path, words: tuple[str, ...]) -> bool:
    if file.suffix == ".parquet" and "_delta_log" not in file.parts:
        text = json.dumps(pq.read_table(file).to_pylist(), default=str)
        return any(f'"{word}"' in text for word in words)
    text = file.read_bytes().decode("utf-8", "replace")
    return any(f'"{word}"' in text for word in words)
