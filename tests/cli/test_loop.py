"""The loop's first stages as somebody types them: articles are made up, people answer a CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.cli.options import run_of
from pressrun.cli.terminal import ExitCode
from pressrun.config.environment import Environment

REPOSITORY = Path(__file__).parents[2]
PIPELINE = """
model: topics
owner: me
articles:
  read: {format: jsonl}
sample: {rows: 60, engine: duckdb}
label:
  taxonomy: config/taxonomies/news-topics.yaml
  chain: [{labeler: static, accept_above: 0.80}, {labeler: people, wait: 4h}]
  audit: {share: 0.5, floor: 0.5, min_rows: 5}
"""

Type = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with one small pipeline."""
    folder = tmp_path / "config"
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pipelines" / "topics.yaml").write_text(PIPELINE)
    for name in ("environments", "taxonomies"):
        (folder / name).symlink_to(REPOSITORY / "config" / name)
    monkeypatch.setenv("PRESSRUN_CONFIG", str(folder))
    return folder


@pytest.fixture
def typed(cli: CliRunner, config: Path) -> Type:
    """Runs a command line; what it prints has no line breaks of the terminal's."""
    return lambda *words: cli.invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture
def landing(environment: Environment) -> Path:
    return Path(environment.landing) / "topics"


@pytest.fixture
def sampled(typed: Type, landing: Path) -> Path:
    """A run that waits for its labels; the file of its articles."""
    for words in (("simulate", landing, "--articles", 80), ("ingest",), ("sample",)):
        assert typed(*words).exit_code == 0
    return landing / "night-001.jsonl"


def answer(questions: Path, articles: Path, *, most: int | None = None) -> int:
    """Fills the CSV in, or its first rows, with what the simulator knows; returns how many questions there are."""
    truth = {row["title"]: row["label"] for row in map(json.loads, articles.open())}
    rows = list(csv.DictReader(questions.open(newline="")))
    with questions.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"answer": truth[row["title"]]} for row in rows[:most])
    return len(rows)


def test_simulated_articles_are_called_synthetic_and_lead_to_ingest(typed: Type, landing: Path) -> None:
    said = typed("simulate", landing, "--nights", 2, "--articles", 5, "--seed", 3).output
    assert "All of it is synthetic" in said
    assert f"5 articles in {landing / 'night-002.jsonl'}" in said
    assert said.rstrip().endswith("next: pressrun ingest topics")
    rows = [json.loads(line) for file in sorted(landing.glob("*.jsonl")) for line in file.open()]
    assert [row["synthetic"] for row in rows] == [True] * 10


def test_articles_elsewhere_come_with_the_mapping_that_reads_them(typed: Type, tmp_path: Path) -> None:
    said = typed("simulate", tmp_path / "made", "--articles", 1).output
    assert f"articles.read: {{path: {tmp_path / 'made'}/*.jsonl, format: jsonl}}" in said


def test_a_landing_folder_that_is_read_otherwise_says_what_to_change(typed: Type, landing: Path, config: Path) -> None:
    file = config / "pipelines" / "topics.yaml"
    file.write_text(PIPELINE.replace("{format: jsonl}", "{format: csv, header: false, columns: [label, title, body]}"))
    assert f"articles.read: {{format: jsonl}} in {file}" in typed("simulate", landing, "--articles", 1).output


def test_each_stage_says_which_comes_next(typed: Type, landing: Path) -> None:
    typed("simulate", landing, "--articles", 80)
    assert "next: pressrun sample\n" in typed("ingest").output
    assert "next: pressrun label topics\n" in typed("sample", "topics").output


def test_label_asks_people_and_does_not_wait_for_them(typed: Type, sampled: Path) -> None:
    result = typed("label")
    assert result.exit_code == ExitCode.INSUFFICIENT
    assert "questions for people until" in result.output
    assert "pressrun label export FILE" in result.output
    assert "train needs label" in typed("train").output


def test_answers_from_a_csv_are_what_label_goes_on_with(typed: Type, sampled: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.csv"
    typed("label")
    assert f"pressrun label import {file} --as NAME" in typed("label", "export", file).output
    count = answer(file, sampled)
    imported = typed("label", "import", file, "--as", "ann").output
    assert f"{count:,} answers taken" in imported
    assert "next: pressrun label\n" in imported
    result = typed("label")
    assert "by person:ann" in result.output
    assert (result.exit_code, "next: pressrun train" in result.output) == (ExitCode.PASS, True)


def test_labels_without_answers_are_insufficient_until_the_answers_are_there(
    typed: Type, sampled: Path, tmp_path: Path
) -> None:
    result = typed("label", "--now")
    assert result.exit_code == ExitCode.INSUFFICIENT
    assert "answer what waits: pressrun label export FILE; then again: pressrun label" in result.output
    assert "this run has ended at label" in typed("train").output
    file = tmp_path / "questions.csv"
    typed("label", "export", file)
    answer(file, sampled)
    assert "next: pressrun label\n" in typed("label", "import", file, "--as", "ann").output
    assert typed("label").exit_code == ExitCode.PASS


def test_answers_after_a_pass_are_taken_by_the_next_run(typed: Type, sampled: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.csv"
    typed("label")
    typed("label", "export", file)
    count = answer(file, sampled, most=30)
    typed("label", "import", file, "--as", "ann")
    assert typed("label", "--now").exit_code == ExitCode.PASS
    typed("label", "export", file)
    assert answer(file, sampled) == count - 30
    assert "the next run takes these answers: pressrun ingest\n" in typed("label", "import", file, "--as", "ann").output
    for words in (("ingest",), ("sample",)):
        assert typed(*words).exit_code == 0
    assert f"{count - 30} late" in typed("label", "--now").output


def test_to_wait_and_not_to_wait_is_refused(typed: Type, sampled: Path) -> None:
    assert "give one of them" in typed("label", "--now", "--wait").output


def test_a_look_for_drift_leaves_the_run_that_train_goes_on_with(environment: Environment) -> None:
    begun = run_of("ingest", environment, "topics", dag=None, given="monday")
    assert run_of("drift", environment, "topics", dag=None, given=None) != begun
    assert run_of("rollout", environment, "topics", dag="topics_retrain", given="airflows") == "airflows"
    assert run_of("train", environment, "topics", dag=None, given=None) == begun


def test_anothers_run_must_be_named(environment: Environment) -> None:
    with pytest.raises(ValueError, match="needs --run"):
        run_of("gate", environment, "topics", dag="topics_retrain", given=None)
