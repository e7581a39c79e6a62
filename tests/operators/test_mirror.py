"""The mirror as a task: what it hands on, and that a second one has nothing left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from operators.mirror import MirrorOperator
from pressrun.config.environment import Environment
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.step import open_lake
from tests.fakes.buckets import bucket_server, new_root


@pytest.fixture
def named(environment: Environment, tmp_path: Path) -> str:
    """The environment as a file; a step of its lake has finished."""
    file, lake = tmp_path / "here.yaml", open_lake(environment)
    file.write_text(yaml.safe_dump(environment.model_dump(mode="json", exclude_none=True)))
    key = StepKey(dag_id="topics_retrain", run_id="night-1", task_id="ingest")
    made = lake.commit("given", rows_of("given", [{"article_id": "a"}]), key=key, pipeline="topics")
    result = StageResult(stage="ingest", step_key=str(key), datasets={"given": made})
    lake.finish(result, key=key, pipeline="topics", fingerprint="f")
    return str(file)


def test_the_task_brings_what_is_missing_and_says_how_much(named: str) -> None:
    server, context = bucket_server("s3"), {}  # type: ignore[var-annotated]
    root = new_root(server)
    task: Any = MirrorOperator(
        task_id="mirror", to=root, pipeline="topics", storage_options=server.storage_options, environment=named
    )
    done = task.execute(context)
    assert (done["steps"], done["files"], done["held"]) == ({"given": 1, "steps": 1}, 2, 0)
    assert done["bytes"] > 0
    assert Lake(root, server.storage_options).snapshot("given", pipeline="topics").rows == 1
    assert task.execute(context)["files"] == 0


def test_every_argument_that_names_a_place_is_a_template() -> None:
    assert MirrorOperator.template_fields == ("to", "pipeline", "tables", "storage_options", "environment")
