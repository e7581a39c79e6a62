"""Each part of the demo's story as it is told, and once more with its cause taken away: the verdict follows the cause.

Stages, servers, router, readers and mishaps are the demo's own; only Airflow is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from mlflow import MlflowClient

from operators.drift import AskForRetrainOperator, DriftOperator
from operators.gate import GateOperator
from operators.rollout import RolloutOperator
from pressrun.demo.mishap import import_labels_right, import_labels_shifted, most_common_label
from pressrun.demo.overlay import MODEL
from pressrun.demo.story import LEAN
from pressrun.drift import watch
from pressrun.lake import StageResult, StepKey
from pressrun.rollout import NotShippable
from pressrun.serving.replay import Replayed
from pressrun.verdict import Decision, Verdict
from tests.demo.home import DRIFT, Home, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("demo-story")]

# Requests in a window; the demo's readers ask some 1,800 in its drift.window. Far fewer leave the verdict to chance.
ASKED = 700


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A night up to its gate."""

    home: Home
    gate: StageResult


@dataclass(frozen=True, kw_only=True)
class Told(Judged):
    """A night to its end: its rollout, the versions that served then, and what readers noticed."""

    rollout: StageResult
    serves: list[str]
    readers: Replayed | None = None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Served traffic: readers turned to one topic at `turned`; `window` is how long they kept to it until `end`."""

    home: Home
    turned: datetime
    end: datetime

    @property
    def window(self) -> timedelta:
        return self.end - self.turned


def verdict_of(result: StageResult) -> Verdict:
    assert result.verdict is not None
    return result.verdict


def decisive(result: StageResult) -> set[str]:
    return {check.metric for check in verdict_of(result).decisive}


def alias(home: Home) -> str:
    return str(MlflowClient(home.environment.mlflow.tracking_uri).get_model_version_by_alias(MODEL, "champion").version)


@pytest.fixture(scope="module", autouse=True)
def _nothing_from_outside() -> Iterator[None]:
    """What tests/conftest.py sees to for each test, for what these tests share."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SLACK_BOT_TOKEN", "PRESSRUN_DATA", "PRESSRUN_ENVIRONMENT", "PRESSRUN_CONFIG"):
            patch.delenv(name, raising=False)
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("story")


@pytest.fixture(scope="module")
def trained(story: Path) -> Home:
    """Night 1 up to a trained model."""
    home = Home.begun(story / "trained")
    home.land(1)
    home.night(1, until="train")
    return home


@pytest.fixture(scope="module")
def first(story: Path, trained: Home) -> Told:
    """Night 1 to its end."""
    home = trained.copied(story / "first")
    gate = home.stage("gate", 1)
    with home.supervised():
        rollout = home.rollout(1)
        return Told(home=home, gate=gate, rollout=rollout, serves=home.serves())


@pytest.fixture(scope="module")
def second(story: Path, first: Told) -> Judged:
    """Night 2 up to its gate."""
    home = first.home.copied(story / "second")
    home.land(2)
    return Judged(home=home, gate=home.night(2)["gate"])


@pytest.fixture(scope="module")
def promoted(story: Path, second: Judged) -> Told:
    """Night 2 to its end, with readers."""
    home = second.home.copied(story / "promoted")
    with home.supervised(), home.readers() as readers:
        rollout = home.rollout(2)
        return Told(home=home, gate=second.gate, rollout=rollout, serves=home.serves(), readers=readers.counts)


@pytest.fixture(scope="module")
def slowed(story: Path, second: Judged) -> Told:
    """Night 2 to its end, with the same readers and a noisy neighbour."""
    home = second.home.copied(story / "slowed")
    with home.supervised(), home.readers() as readers:
        rollout = home.slowed_rollout(2)
        return Told(home=home, gate=second.gate, rollout=rollout, serves=home.serves(), readers=readers.counts)


@pytest.fixture(scope="module")
def watched(story: Path, first: Told) -> Watched:
    """The first champion's readers, who are as usual for a while and then turn to one topic."""
    home = first.home.copied(story / "watched")
    topic = most_common_label(home)  # type: ignore[arg-type]
    assert topic is not None
    with home.supervised(), home.readers(times=4) as readers:
        answered = readers.counts.by_arm
        until(lambda: answered["champion"] >= 2 * ASKED)
        turned = datetime.now(UTC)
        assert readers.lean_to(topic, share=LEAN) > 0
        until(lambda: answered["champion"] >= 3 * ASKED)
        end = datetime.now(UTC)
    return Watched(home=home, turned=turned, end=end)


def test_a_first_model_above_its_floors_becomes_champion(first: Told) -> None:
    gate = verdict_of(first.gate)
    assert gate.decision is Decision.PASS, gate
    assert gate.champion_version is None
    assert first.rollout.facts["promoted"]
    champion = first.home.champion
    assert champion is not None
    assert champion.digest == gate.model_digest
    assert (first.serves, alias(first.home)) == (["1"], "1")


def test_floors_above_what_it_reaches_leave_no_champion(trained: Home, tmp_path: Path) -> None:
    home = trained.copied(tmp_path / "home").but("gate", floors={"macro_f1": 0.99})
    gate = home.stage("gate", 1)
    assert verdict_of(gate).decision is Decision.FAIL
    assert decisive(gate) == {"macro_f1"}
    with pytest.raises(NotShippable):
        home.rollout(1)
    assert home.champion is None


def test_the_next_model_passes_the_gate_and_is_promoted_by_its_traffic(first: Told, promoted: Told) -> None:
    gate, canary = verdict_of(promoted.gate), verdict_of(promoted.rollout)
    assert (gate.decision, gate.champion_digest) == (Decision.PASS, verdict_of(first.gate).model_digest), gate
    assert canary.decision is Decision.PASS, canary
    policy, facts = promoted.home.pipeline.rollout, promoted.rollout.facts
    assert {check.metric for check in canary.checks} == {"error_rate", "latency_ratio", "disagreement"}
    assert facts["requests"]["candidate"] >= policy.min_requests * len(policy.steps)
    assert promoted.readers is not None
    assert (facts["lost"], promoted.readers.failed) == (0, 0)
    assert promoted.home.champion is not None
    assert promoted.home.champion.digest == gate.model_digest
    assert (promoted.serves, alias(promoted.home)) == (["2"], "2")


def test_without_readers_it_is_not_promoted(second: Judged, tmp_path: Path) -> None:
    # Nobody will come: two minutes more would change nothing.
    home = second.home.copied(tmp_path / "home").but("rollout", max_step=timedelta(seconds=2))
    before = home.champion
    with home.supervised():
        rollout = home.rollout(2)
    assert verdict_of(rollout).decision is Decision.INSUFFICIENT
    assert not rollout.facts["promoted"]
    assert home.champion == before
    assert alias(home) == "1"


def test_spoilt_labels_are_stopped_at_the_gate_with_an_alert(second: Judged, tmp_path: Path) -> None:
    home = second.home.copied(tmp_path / "home")
    before = home.champion
    home.land(3)
    assert import_labels_shifted(home) > 0  # type: ignore[arg-type]
    results = home.night(3)
    assert verdict_of(results["label"]).decision is Decision.PASS
    gate = results["gate"]
    assert verdict_of(gate).decision is Decision.FAIL
    assert "macro_f1" in decisive(gate)
    stopped = home.conclude(GateOperator, gate)
    assert stopped is not None
    assert "Champion v1 stays" in stopped
    assert "stopped at the gate" in home.alerts()[f"{MODEL} v3"]
    with pytest.raises(NotShippable):
        home.rollout(3)
    assert home.champion == before


def test_the_same_labels_with_the_right_topics_pass_the_gate(second: Judged, tmp_path: Path) -> None:
    home = second.home.copied(tmp_path / "home")
    home.land(3)
    assert import_labels_right(home) > 0  # type: ignore[arg-type]
    gate = home.night(3)["gate"]
    assert verdict_of(gate).decision is Decision.PASS, verdict_of(gate)
    assert home.conclude(GateOperator, gate) is None
    assert "passed the gate" in home.alerts()[f"{MODEL} v3"]


def test_a_model_that_is_fine_offline_but_slow_under_traffic_is_rolled_back_with_an_alert(
    first: Told, slowed: Told
) -> None:
    assert verdict_of(slowed.gate).decision is Decision.PASS
    assert verdict_of(slowed.rollout).decision is Decision.FAIL
    assert "latency_ratio" in decisive(slowed.rollout), verdict_of(slowed.rollout)
    assert slowed.home.champion == first.home.champion
    assert (slowed.serves, alias(slowed.home)) == (["1"], "1")
    assert slowed.rollout.facts["rollback_seconds"] is not None
    assert slowed.home.conclude(RolloutOperator, slowed.rollout) is not None
    assert "rolled back" in slowed.home.alerts()[f"{MODEL} v2"]


def test_the_same_model_without_the_noisy_neighbour_is_promoted(slowed: Told, promoted: Told) -> None:
    assert promoted.rollout.facts["model"]["digest"] == slowed.rollout.facts["model"]["digest"]
    assert verdict_of(promoted.rollout).decision is Decision.PASS
    assert promoted.home.conclude(RolloutOperator, promoted.rollout) is None
    assert "promoted" in promoted.home.alerts()[f"{MODEL} v2"]


def drift(watched: Watched, at: datetime) -> StageResult:
    """What the drift DAG's first task finds at that moment."""
    home = watched.home.but("drift", window=watched.window)
    return watch(home.step(StepKey(dag_id=DRIFT, run_id=f"{at:%H%M%S%f}", task_id="watch")), now=at)


def asks_for_retrain(result: StageResult) -> bool:
    """Whether the drift DAG's second task emits what starts a retrain."""
    upstream = {"watched": result.model_dump(mode="json")}
    task = AskForRetrainOperator(task_id="ask_for_retrain", pipeline=MODEL, upstream=upstream)
    try:
        return task.work(None) == result  # type: ignore[arg-type]
    except AirflowSkipException:
        return False


def test_readers_who_turn_to_one_topic_are_found_and_a_retrain_is_asked_for(watched: Watched) -> None:
    found = drift(watched, watched.end)
    assert verdict_of(found).decision is Decision.FAIL, verdict_of(found)
    assert "topic_share_change" in decisive(found)
    assert asks_for_retrain(found)
    watched.home.conclude(DriftOperator, found)
    assert any("drift found" in text for text in watched.home.alerts().values())


def test_before_they_turn_there_is_no_drift_and_no_retrain_is_asked_for(watched: Watched) -> None:
    found = drift(watched, watched.turned)
    assert verdict_of(found).decision is Decision.PASS, verdict_of(found)
    assert not asks_for_retrain(found)
