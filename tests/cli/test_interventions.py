"""`pressrun override` and `pressrun abort`: what a person may say to the loop, and what the loop says back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pressrun.alerts import threads
from pressrun.cli import app
from pressrun.cli.interventions import moment
from pressrun.config.environment import Environment
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.lake.overrides import overrides_of
from pressrun.loop import read_verdicts
from pressrun.rollout import status, submit
from pressrun.step import verdict_row
from pressrun.verdict import Assertion, Decision, Verdict, VerdictKind
from tests.rollout.home import model_of, plan_of

NOW = datetime(2026, 1, 5, 2, tzinfo=UTC)
BY_ANN = ["--by", "ann", "--reason", "the gold is wrong", "--until", "2h"]


def judged(
    lake: Lake, decision: Decision, *, kind: VerdictKind = "gate", verdict_id: str = "abcdef0123", dag: str = "cli"
) -> Verdict:
    """A verdict of a finished step."""
    key = StepKey(dag_id=dag, run_id=f"night {verdict_id}", task_id=kind)
    check = Assertion(metric="macro_f1", decision=decision, reason="it lost Sports")
    verdict = Verdict(
        kind=kind, pipeline="topics", checks=(check,), step_key=str(key), model_version="4", verdict_id=verdict_id
    )
    lake.commit("verdicts", rows_of("verdicts", [verdict_row(verdict)]), key=key, pipeline="topics")
    lake.finish(
        StageResult(stage=kind, step_key=str(key), verdict=verdict), key=key, pipeline="topics", fingerprint=verdict_id
    )
    return verdict


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INSUFFICIENT])
def test_an_override_is_kept_told_and_leaves_the_verdict_as_it_is(
    cli: CliRunner, lake: Lake, environment: Environment, decision: Decision
) -> None:
    verdict = judged(lake, decision)
    result = cli.invoke(app, ["override", "abcdef", *BY_ANN])
    assert result.exit_code == 0, result.output
    (kept,) = overrides_of(lake, pipeline="topics")
    assert (kept.verdict_id, kept.actor, kept.reason) == (verdict.verdict_id, "ann", "the gold is wrong")
    assert kept.expiry - kept.at == timedelta(hours=2)
    assert read_verdicts(environment, "topics") == [verdict]
    assert f"ann overrides the gate's {decision.value} of topics v4" in result.output
    assert "pressrun rollout" in result.output
    ((thread, replies),) = threads(environment, "topics")
    assert thread.thread == "topics v4"
    assert "ann overrides the gate's" in replies[0].text
    assert "the gold is wrong" in replies[0].text


def test_for_a_night_of_airflow_it_says_which_task_to_clear(cli: CliRunner, lake: Lake) -> None:
    judged(lake, Decision.FAIL, dag="topics_retrain")
    said = cli.invoke(app, ["override", "abcdef", *BY_ANN]).output
    assert "clear the task gate of run night abcdef0123 of topics_retrain" in said


@pytest.mark.parametrize(
    ("decision", "kind", "says"),
    [
        (Decision.PASS, "gate", "passed: there is nothing to override"),
        (Decision.ERROR, "gate", "an error says nothing of the model"),
        (Decision.FAIL, "labels", "only a gate's verdict can be overridden"),
    ],
)
def test_what_cannot_be_overridden_is_refused_with_the_reason(
    cli: CliRunner, lake: Lake, decision: Decision, kind: VerdictKind, says: str
) -> None:
    judged(lake, decision, kind=kind)
    result = cli.invoke(app, ["override", "abcdef", *BY_ANN])
    assert (result.exit_code, says in result.output) == (2, True), result.output
    assert overrides_of(lake, pipeline="topics") == ()


def test_an_id_must_mean_one_verdict(cli: CliRunner, lake: Lake) -> None:
    for verdict_id in ("abc1", "abc2"):
        judged(lake, Decision.FAIL, verdict_id=verdict_id)
    assert "2 verdicts start with abc" in cli.invoke(app, ["override", "abc", *BY_ANN]).output
    assert "no verdict starts with zzz" in cli.invoke(app, ["override", "zzz", *BY_ANN]).output
    assert overrides_of(lake, pipeline="topics") == ()


def test_a_verdict_that_is_shown_tells_of_its_override(cli: CliRunner, lake: Lake) -> None:
    judged(lake, Decision.FAIL)
    cli.invoke(app, ["override", "abcdef", *BY_ANN])
    said = cli.invoke(app, ["verdicts", "topics", "--show", "abcdef"]).output
    assert "ann overrides it until" in said
    assert "the gold is wrong" in said


def test_until_is_a_duration_or_a_time_to_come() -> None:
    assert moment("2h", now=NOW) == NOW + timedelta(hours=2)
    assert moment("1h30m", now=NOW) == NOW + timedelta(minutes=90)
    assert moment("2026-01-06T00:00:00+00:00", now=NOW) == datetime(2026, 1, 6, tzinfo=UTC)
    assert moment("2026-01-06 08:00", now=NOW) == datetime(2026, 1, 6, 8).astimezone()
    for wrong, says in (("soon", "write a duration"), ("2025-01-01T00:00:00+00:00", "is over"), ("0s", "is over")):
        with pytest.raises(ValueError, match=says):
            moment(wrong, now=NOW)


def test_abort_writes_one_intent_for_the_rollout_under_way(
    cli: CliRunner, environment: Environment, tmp_path: Path
) -> None:
    submit(environment, plan_of("d/1/t/-1", model_of(tmp_path, "7"), None))
    result = cli.invoke(app, ["abort", "topics", "--by", "ann", "--reason", "readers complain"])
    assert result.exit_code == 0, result.output
    record = status(environment, "topics")
    assert record is not None
    assert len(record.intents) == 1
    assert (record.intents[0].generation, record.intents[0].actor, record.intents[0].reason) == (
        1,
        "ann",
        "readers complain",
    )
    assert "rollout 1 of topics v7 goes back" in result.output
    assert "no supervisor holds" in result.output
    assert "pressrun supervise --environment laptop" in result.output


def test_abort_with_nothing_to_stop_says_so(cli: CliRunner, environment: Environment) -> None:
    result = cli.invoke(app, ["abort", "topics", "--by", "ann", "--reason", "no"])
    assert (result.exit_code, "topics has no rollout under way" in result.output) == (2, True)
    assert not (environment.home / "rollouts").exists()


@pytest.mark.parametrize("command", ["override", "abort"])
def test_who_and_why_are_asked_for(cli: CliRunner, command: str) -> None:
    assert "--by" in cli.invoke(app, [command, "topics", "--reason", "x"]).output
    assert cli.invoke(app, [command, "topics", "--by", "ann"]).exit_code == 2


@pytest.mark.parametrize("command", ["abort", "pause", "resume", "promote", "override"])
@pytest.mark.parametrize(("option", "blank"), [("--by", ""), ("--by", "  "), ("--reason", ""), ("--reason", " \t")])
def test_blank_words_are_refused_before_anything_else(
    cli: CliRunner, environment: Environment, tmp_path: Path, command: str, option: str, blank: str
) -> None:
    submit(environment, plan_of("d/1/t/-1", model_of(tmp_path, "7"), None))
    words = {"--by": "ann", "--reason": "why", option: blank} | ({"--until": "2h"} if command == "override" else {})
    arguments = [word for pair in words.items() for word in pair]
    result = cli.invoke(app, [command, "topics", *arguments, "--environment", "no such one"])
    assert (result.exit_code, f"{option} is blank" in result.output) == (2, True), result.output
    record = status(environment, "topics")
    assert record is not None
    assert record.intents == ()
