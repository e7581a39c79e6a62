"""`pressrun mirror` as people type it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config.environment import Environment, LakeRoot
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.step import open_lake
from tests.fakes.buckets import bucket_server, new_root

KEY = StepKey(dag_id="topics_retrain", run_id="night-1", task_id="ingest")


@pytest.fixture
def lake(environment: Environment) -> Lake:
    lake = open_lake(environment)
    made = lake.commit("given", rows_of("given", [{"article_id": "a"}]), key=KEY, pipeline="topics")
    result = StageResult(stage="ingest", step_key=str(KEY), datasets={"given": made})
    lake.finish(result, key=KEY, pipeline="topics", fingerprint="f")
    return lake


def test_a_lake_is_mirrored_to_a_bucket_by_its_root_and_options(cli: CliRunner, lake: Lake) -> None:
    server = bucket_server("gcs")
    root = new_root(server)
    typed = ["mirror", "--to", root, "--pipeline", "topics"]
    typed += [part for name, value in server.storage_options.items() for part in ("--option", f"{name}={value}")]
    done = cli.invoke(app, typed)
    assert "given: 1 steps brought up to date" in done.stdout, done.output
    assert "2 files sent" in done.stdout
    assert Lake(root, server.storage_options).snapshot("given", pipeline="topics").rows == 1
    assert "nothing had to be sent" in cli.invoke(app, typed).stdout


def test_or_to_the_lake_of_another_environment(
    cli: CliRunner, lake: Lake, environment: Environment, tmp_path: Path
) -> None:
    other = environment.model_copy(update={"lake": LakeRoot(root=str(tmp_path / "far"))})
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(other.model_dump(mode="json", exclude_none=True)))
    assert cli.invoke(app, ["mirror", "--to", str(file), "--table", "given"]).exit_code == 0
    assert open_lake(other).snapshot("given", pipeline="topics").rows == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--to", "{root}"], "is the lake .* itself; name another"),
        (["--to", "nowhere"], "there is no nowhere.yaml.*there are: .*laptop"),
        (["--to", "/tmp/elsewhere", "--table", "nothing"], "no table 'nothing'"),
        (["--to", "/tmp/elsewhere", "--option", "x"], "KEY=VALUE"),
        (["--to", "laptop", "--option", "a=b"], "those of a root only"),
    ],
)
def test_a_far_side_that_cannot_be_meant_is_refused(cli: CliRunner, lake: Lake, typed: list[str], said: str) -> None:
    done = cli.invoke(app, ["mirror", *(word.format(root=lake.root) for word in typed)])
    assert done.exit_code == 2
    assert re.search(said, done.output.replace("\n", " ")), done.output
