"""`pressrun simulate` as somebody types it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.cli.terminal import ExitCode
from pressrun.simulator import WORLDS, Newsroom, simulate


def typed(cli: CliRunner, *words: object) -> tuple[int, str]:
    result = cli.invoke(app, ["simulate", *map(str, words)], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_it_writes_the_same_files_as_the_library(cli: CliRunner, tmp_path: Path) -> None:
    typed(cli, tmp_path / "typed", "--nights", 2, "--articles", 30, "--seed", 3)
    simulate(Newsroom(seed=3, nights=2, articles_per_night=30), out=tmp_path / "called")
    files = [path.relative_to(tmp_path / "called") for path in (tmp_path / "called").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert all((tmp_path / "typed" / f).read_bytes() == (tmp_path / "called" / f).read_bytes() for f in files)


def test_a_wrong_world_is_answered_with_a_line_for_each(cli: CliRunner, tmp_path: Path) -> None:
    code, said = typed(cli, tmp_path, "--world", "war")
    assert code == ExitCode.ERROR
    lines = said.splitlines()
    for world in WORLDS.values():
        assert sum(line.split()[:1] == [world.name] and world.purpose in line for line in lines) == 1
    assert not list(tmp_path.glob("*.jsonl"))


def test_many_nights_are_told_in_one_line_and_a_world_has_the_nights_that_show_it(
    cli: CliRunner, tmp_path: Path
) -> None:
    code, said = typed(cli, tmp_path / "landing", "--world", "outages", "--articles", 10, "--impressions", 5)
    assert code == 0
    assert "28 nights  28" in said.replace(",", "")
    assert "night 1 " not in said
    assert len(list((tmp_path / "landing").glob("*.jsonl"))) == 26


def test_the_truth_is_written_where_it_is_asked_for(cli: CliRunner, tmp_path: Path) -> None:
    words = ("--nights", 1, "--articles", 40)
    assert "The truth" not in typed(cli, tmp_path / "landing", *words)[1]
    assert (
        f"The truth of every click is in {tmp_path / 'truth'}"
        in (typed(cli, tmp_path / "landing", *words, "--truth", tmp_path / "truth")[1])
    )
    assert "p_click" in pq.read_schema(tmp_path / "truth" / "night-001.parquet").names


def test_a_truth_that_pressrun_could_read_is_refused(cli: CliRunner, tmp_path: Path) -> None:
    code, said = typed(cli, tmp_path, "--truth", tmp_path / "truth")
    assert (code, "choose a folder elsewhere" in said) == (ExitCode.ERROR, True)


@pytest.mark.parametrize(("day", "first"), [("2026-01-01", "2026-01-01T"), ("2027-06-30", "2027-06-30T")])
def test_the_first_night_is_the_day_that_was_said(cli: CliRunner, tmp_path: Path, day: str, first: str) -> None:
    typed(cli, tmp_path, "--from", day, "--articles", 3)
    assert f'"published_at": "{first}' in (tmp_path / "night-001.jsonl").read_text()
