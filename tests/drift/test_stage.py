"""The drift stage on predictions in a real lake: its verdict, its report, and when it asks for a retrain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.drift import watch
from pressrun.drift.profile import Profile
from pressrun.drift.window import Window
from pressrun.lake import Lake, StepKey, rows_of
from pressrun.lake.types import StageResult
from pressrun.step import Step
from pressrun.verdict import Decision, Verdict
from pressrun.verdict.policy import policy_digest

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPICS = ("World", "Sports", "Business", "Sci/Tech")


def no_profile(reference: Window, current: Window, *, report: Path | None) -> Profile:
    """For tests that are not about features or the report: Evidently takes seconds to import."""
    return Profile(distances={}, drifted=())


def predictions(*, since: datetime, shares: tuple[int, ...], confidence: float = 0.8) -> Iterator[dict[str, Any]]:
    """An hour of the champion's answers, one an article, by each topic's share in per cent; four times over."""
    labels = [topic for topic, share in zip(TOPICS, shares, strict=True) for _ in range(share)] * 4
    for number, label in enumerate(labels):
        at = since + HOUR * number / len(labels)
        name = f"{at:%d-%H}-{number}"
        yield {
            "request_id": name, "article_id": name, "model": "topics", "model_version": "1", "model_digest": "a" * 64,
            "arm": "champion", "shadow": False, "at": at, "label": label,
            "confidence": confidence + 0.01 * (number % 3), "features": [("characters", 100.0 + number % 50)],
        }  # fmt: skip


class Stream:
    """The prediction log of a router."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.sequence = lake, 0

    def hour(self, number: int, *shares: int, confidence: float = 0.8) -> None:
        self.sequence += 1
        rows = rows_of("predictions", predictions(since=START + number * HOUR, shares=shares, confidence=confidence))
        self.lake.append("predictions", rows, pipeline="topics", source="router", sequence=self.sequence)


@pytest.fixture
def stream(lake: Lake) -> Stream:
    """A router whose first hour was as usual."""
    stream = Stream(lake)
    stream.hour(0, 25, 25, 25, 25)
    return stream


@pytest.fixture
def step(environment: Environment, pipeline: Pipeline, lake: Lake) -> Any:
    drift = pipeline.drift.model_copy(update={"window": HOUR, "cooldown": 6 * HOUR, "min_rows": 200})
    changed = pipeline.model_copy(update={"drift": drift})

    def made(run: str) -> Step:
        key = StepKey(dag_id="topics_drift", run_id=run, task_id="watch")
        return Step(key=key, pipeline=changed, environment=environment, lake=lake)

    return made


def after(step: Step, hours: float, **more: Any) -> StageResult:
    return watch(step, START + hours * HOUR, **({"profiler": no_profile} | more))


def verdict_of(result: StageResult) -> Verdict:
    assert result.verdict is not None
    return result.verdict


def test_the_same_traffic_passes_and_asks_for_nothing(stream: Stream, step: Any) -> None:
    stream.hour(1, 25, 25, 25, 25)
    result = after(step("1"), 2)
    verdict = verdict_of(result)
    assert verdict.decision is Decision.PASS
    assert not result.facts["retrain"]
    assert (verdict.model_version, verdict.model_digest) == ("1", "a" * 64)
    assert verdict.dataset == f"predictions of v1 since {START}"
    assert verdict.policy_digest == policy_digest(step("1").pipeline.drift)


def test_readers_who_turn_to_one_topic_are_drift_and_a_retrain_is_asked_for(stream: Stream, step: Any) -> None:
    stream.hour(1, 70, 10, 10, 10)
    result = after(step("1"), 2)
    assert verdict_of(result).decision is Decision.FAIL
    assert "World's share 25% → 70%" in verdict_of(result).decisive[0].reason
    assert "Asks for a retrain." in verdict_of(result).notes
    assert result.facts["retrain"]
    assert result.facts["cooldown_until"] == (START + 8 * HOUR).isoformat()


def test_while_it_cools_down_drift_is_found_but_no_second_retrain_is_asked_for(stream: Stream, step: Any) -> None:
    stream.hour(1, 70, 10, 10, 10)
    assert after(step("1"), 2).facts["retrain"]
    stream.hour(2, 70, 10, 10, 10)
    soon = after(step("2"), 3)
    assert verdict_of(soon).decision is Decision.FAIL
    assert not soon.facts["retrain"]
    assert "drift asks again from 2026-01-05 08:00 UTC on" in verdict_of(soon).notes[-1]
    stream.hour(8, 70, 10, 10, 10)
    assert after(step("3"), 9).facts["retrain"]


def test_a_retry_of_the_step_that_asked_is_not_stopped_by_its_own_cooldown(
    stream: Stream, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*args: object, **more: object) -> StageResult:
        raise OSError("the machine went away")

    stream.hour(1, 70, 10, 10, 10)
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "finish", dies)
        with pytest.raises(OSError, match="went away"):
            after(step("1"), 2)
    assert after(step("1"), 2).facts["retrain"]


def test_a_fall_in_confidence_alone_is_drift(stream: Stream, step: Any) -> None:
    stream.hour(1, 25, 25, 25, 25, confidence=0.6)
    verdict = verdict_of(after(step("1"), 2))
    assert [check.metric for check in verdict.decisive] == ["confidence_change"]


def test_too_little_traffic_is_insufficient_and_asks_for_nothing(stream: Stream, step: Any) -> None:
    result = after(step("1"), 1.1)
    assert verdict_of(result).decision is Decision.INSUFFICIENT
    assert verdict_of(result).decisive[0].reason.startswith("40 predictions in the reference, 200 needed. Wait for")
    assert not result.facts["retrain"]


def test_no_traffic_at_all_is_insufficient(step: Any) -> None:
    verdict = verdict_of(after(step("1"), 1))
    assert verdict.decision is Decision.INSUFFICIENT
    assert (verdict.model_version, verdict.dataset) == (None, None)


@pytest.mark.parametrize("provenance", ["synthetic", "given"])
def test_evidentlys_report_lies_at_home_and_says_when_the_articles_are_synthetic(
    provenance: str, stream: Stream, step: Any, lake: Lake, environment: Environment
) -> None:
    articles = rows_of("articles", [{"article_id": "a", "title": "T", "source_provenance": provenance}])
    lake.append("articles", articles, pipeline="topics", source="test", sequence=1)
    stream.hour(1, 70, 10, 10, 10)
    verdict = verdict_of(watch(step("1"), START + 2 * HOUR))
    report = Path(verdict.report or "")
    assert report.is_relative_to(environment.home / "reports" / "topics")
    page = report.read_text(encoding="utf-8")
    assert page.index("<body>") < page.index('class="pr-verdict pr-') < page.index("topic_share_change")
    marked = "synthetic articles" in page
    assert (marked, verdict.synthetic) == (provenance == "synthetic",) * 2
    assert "drifted_features_share" in {check.metric for check in verdict.checks}
