"""`pressrun canary`: two servers that are not ours, requests from a file, a verdict and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from tests.rollout.foreign import Clock, Foreign, requests, serving

# How fast this machine is says nothing about the servers: only what they answer is judged here.
PATIENT = ["--latency-ratio", "1000000", "--rate", "1000", "--steps", "25,100", "--min-requests", "30"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join(requests()))
    return path


def canary(cli: CliRunner, file: Path, candidate: Foreign, *more: str) -> Any:
    champion = Foreign("a", candidate.clock)
    with serving(champion, candidate):
        command = ["canary", "--champion", champion.url, "--candidate", candidate.url, "--requests", str(file)]
        return cli.invoke(app, [*command, *PATIENT, *more])


def test_a_good_candidate_leaves_with_0_and_its_weights_are_seen(cli: CliRunner, file: Path, tmp_path: Path) -> None:
    report = tmp_path / "canary.html"
    result = canary(cli, file, Foreign("b", Clock()), "--report", str(report))
    assert result.exit_code == 0, result.output
    assert [share in result.output for share in (" 25%", "100%")] == [True, True]
    assert "PASS" in result.output
    assert "0 lost" in result.output
    page = report.read_text()
    assert ("PASS" in page, "error_rate" in page, "/v2/models/b" in page) == (True, True, True)


def test_a_failing_candidate_leaves_with_1_and_says_why(cli: CliRunner, file: Path) -> None:
    result = canary(cli, file, Foreign("b", Clock(), fails=lambda number: number % 2 == 0))
    assert result.exit_code == 1, result.output
    assert "FAIL" in result.output
    assert "errors " in result.output
    assert "back to the champion" in result.output


def test_with_little_traffic_it_leaves_with_3(cli: CliRunner, file: Path) -> None:
    result = canary(cli, file, Foreign("b", Clock()), "--min-requests", "100000", "--max-step", "0s")
    assert result.exit_code == 3, result.output


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--steps", "50,25", "--steps: "),
        ("--steps", "five", "--steps: "),
        ("--shadow", "20", "--shadow: "),
        ("--error-rate", "3", "--error-rate: "),
        ("--max-step", "5", "--max-step: "),
        ("--champion", "http://127.0.0.1:1", "is no address of a model"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_option(
    cli: CliRunner, file: Path, option: str, value: str, says: str
) -> None:
    result = canary(cli, file, Foreign("b", Clock()), option, value)
    assert (result.exit_code, says in result.output) == (2, True), result.output


def test_a_line_that_is_no_request_is_named(cli: CliRunner, file: Path) -> None:
    file.write_text('{"title": "an article"}\n')
    result = canary(cli, file, Foreign("b", Clock()))
    assert (result.exit_code, "requests.jsonl:1 " in result.output) == (2, True), result.output
