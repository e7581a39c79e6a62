"""The command line as people and scripts meet it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.cli.terminal import ExitCode, exit_code, tell_verdict
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.loop import UPSTREAM, UpstreamMissing, read_verdicts, run_stage, stage
from pressrun.step import verdict_row
from pressrun.verdict import Assertion, Decision, Verdict

HEAVY = {"pyarrow", "deltalake", "mlflow", "sklearn", "pandas", "numpy", "airflow", "pyspark", "sqlalchemy", "duckdb"}
_LOOP = "ingest sample label train gate rollout".split()  # noqa: SIM905
_REST = "drift canary verdicts override abort simulate serve supervise check schema try demo".split()  # noqa: SIM905
COMMANDS = (*_LOOP, *_REST)


@pytest.fixture
def cli() -> CliRunner:
    return CliRunner()


def judged(decision: Decision, *, reason: str = "because") -> Verdict:
    check = Assertion(metric="truth", decision=decision, reason=reason)
    return Verdict(kind="gate", pipeline="topics", checks=(check,))


def test_help_names_every_command_and_the_exit_codes(cli: CliRunner) -> None:
    said = cli.invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert [command for command in COMMANDS if f" {command} " not in said] == []
    assert "0 pass or done, 1 fail, 2 error, 3 insufficient" in said


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, pressrun.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) & HEAVY == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: CliRunner, command: str) -> None:
    assert cli.invoke(app, [command, "--help"]).exit_code == 0


def test_check_is_content_with_what_ships(cli: CliRunner, home: Path) -> None:
    result = cli.invoke(app, ["check"])
    assert (result.exit_code, "nothing wrong" in result.output) == (0, True)


def test_check_prints_every_problem_and_leaves_with_2(cli: CliRunner, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "topics.yaml"
    file.write_text("model: topics\nowner: me\nlabel: {taxonomy: nowhere.yaml, chain: [{uses: 'nowhere:X'}]}\n")
    result = cli.invoke(app, ["check", str(file)])
    assert result.exit_code == ExitCode.ERROR
    assert ':3: label.taxonomy is "nowhere.yaml"; there is no such file' in result.output
    assert ":3: label.chain[0].uses" in result.output


def test_two_files_with_one_model_are_refused(cli: CliRunner, home: Path, tmp_path: Path, pipeline: Pipeline) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(pipeline.model_dump(mode="json", exclude_defaults=True)))
    result = cli.invoke(app, ["check", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    assert "a.yaml has the same model" in result.output


def test_schema_writes_the_three_schemas(cli: CliRunner, tmp_path: Path) -> None:
    assert cli.invoke(app, ["schema", str(tmp_path)]).exit_code == 0
    assert {file.stem for file in tmp_path.glob("*.json")} == {"environment", "pipeline", "taxonomy"}


def test_an_error_is_a_message_and_its_remedy_not_a_traceback(cli: CliRunner, home: Path) -> None:
    result = cli.invoke(app, ["check", "topcis"])
    assert result.exit_code == ExitCode.ERROR
    assert "Did you mean topics?" in result.output
    assert "Traceback" not in result.output


def test_debug_shows_the_error_itself(cli: CliRunner, home: Path) -> None:
    assert type(cli.invoke(app, ["--debug", "check", "topcis"]).exception).__name__ == "ConfigError"


def test_a_stage_before_its_time_says_what_to_run_first(
    cli: CliRunner, home: Path, environment: Environment, pipeline: Pipeline
) -> None:
    result = cli.invoke(app, ["train", "topics"])
    assert result.exit_code == ExitCode.ERROR
    assert "train needs ingest" in result.output
    with pytest.raises(UpstreamMissing, match="Run ingest first"):
        run_stage("sample", pipeline=pipeline, environment=environment, dag_id="cli", run_id="one")


def test_label_without_a_subcommand_labels(cli: CliRunner, home: Path) -> None:
    for arguments in (["label"], ["label", "topics"], ["label", "--fresh", "topics"]):
        assert "label needs ingest" in cli.invoke(app, arguments).output


def test_every_stage_behind_a_name_can_be_called() -> None:
    assert all(callable(stage(name)) for name in UPSTREAM)


@pytest.mark.parametrize("decision", list(Decision))
def test_a_verdict_decides_the_exit_code(decision: Decision) -> None:
    wanted = {"pass": 0, "fail": 1, "error": 2, "insufficient": 3}
    assert exit_code(judged(decision)) == wanted[decision.value]


def test_what_a_verdict_says_is_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    tell_verdict(judged(Decision.FAIL, reason="[/red] fell by 0.06"))
    assert "[/red] fell by 0.06" in capsys.readouterr().out


def test_verdicts_are_listed_newest_first_and_shown_by_id(cli: CliRunner, environment: Environment, lake: Lake) -> None:
    for run, decision in (("one", Decision.PASS), ("two", Decision.FAIL)):
        keep(lake, judged(decision), run=run)
    first, second = read_verdicts(environment, "topics")
    assert (first.decision, second.decision) == (Decision.FAIL, Decision.PASS)
    lines = cli.invoke(app, ["verdicts", "--json"]).output.splitlines()
    assert [json.loads(line)["verdict_id"] for line in lines] == [first.verdict_id, second.verdict_id]
    assert "because" in cli.invoke(app, ["verdicts", "--show", first.verdict_id[:12]]).output


def keep(lake: Lake, verdict: Verdict, *, run: str) -> None:
    key = StepKey(dag_id="topics_retrain", run_id=run, task_id="gate")
    lake.commit("verdicts", rows_of("verdicts", [verdict_row(verdict)]), key=key, pipeline="topics")
    result = StageResult(stage="gate", step_key=str(key), verdict=verdict)
    lake.finish(result, key=key, pipeline="topics", fingerprint=run)


def test_drift_alone_wants_both_files(cli: CliRunner, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "before.parquet"
    pq.write_table(pa.table({"label": ["World"]}), file)
    result = cli.invoke(app, ["drift", "--reference", str(file)])
    assert result.exit_code == ExitCode.ERROR
    assert "--current" in result.output
