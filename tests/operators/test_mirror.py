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


def test_one_dataset_that_xcom_hands_on_is_brought_alone_and_read_by_the_same_reference(
    environment: Environment, named: str, tmp_path: Path
) -> None:
    lake, key = open_lake(environment), StepKey(dag_id="topics_retrain", run_id="night-2", task_id="ingest")
    made = lake.commit("given", rows_of("given", [{"article_id": "b"}]), key=key, pipeline="topics")
    result = StageResult(stage="ingest", step_key=str(key), datasets={"given": made})
    lake.finish(result, key=key, pipeline="topics", fingerprint="g")
    far = tmp_path / "far"
    for given in (made.model_dump_json(), made.model_dump(mode="json")):
        task: Any = MirrorOperator(task_id="mirror", to=str(far), dataset=given, environment=named)
        task.execute({})
        there = Lake(str(far))
        assert there.read(made)["article_id"].to_pylist() == ["b"]
        assert there.snapshot("given", pipeline="topics").rows == 1
    wrong: Any = MirrorOperator(
        task_id="m", to=str(far), dataset=made.model_dump(), tables=["given"], environment=named
    )
    with pytest.raises(ValueError, match="leave pipeline and tables out"):
        wrong.execute({})


def test_every_argument_that_names_a_place_is_a_template() -> None:
    assert MirrorOperator.template_fields == ("to", "pipeline", "tables", "dataset", "storage_options", "environment")
