"""What people hear of a rollout, read from its record."""

from __future__ import annotations

from datetime import timedelta

from pressrun.alerts.render import headline, outcome
from pressrun.rollout.changes import submitted, told, verdict_of, wished
from pressrun.rollout.regions import Standing
from pressrun.rollout.telling import news
from pressrun.rollout.types import CHAMPION, Event, Intent, Phase, RolloutRecord, RolloutState
from pressrun.rollout.wishes import recorded
from pressrun.verdict import FORCED, Assertion, Comparison, Decision
from tests.rollout.test_page import at, at_phase, begun, gone_back, plan

KEY = "d/1/rollout/-1"


def heard(standing: Standing | RolloutRecord) -> list[str]:
    return [one.text for one in news({"here": standing} if isinstance(standing, RolloutRecord) else standing, KEY)]


def test_the_thread_follows_the_steps_people_and_the_reason_of_the_end() -> None:
    record = wished(begun(), "pause", actor="ann", reason="lunch", now=at(20))
    record = wished(record, "resume", actor="ann", reason="back", now=at(25))
    record = told(record, "crashed", "process 7 ended by itself (-9)", at(30))
    assert heard(gone_back(record, "errors 9 of 90")) == [
        "canary: submitted, version 4 by d/1/rollout/-1",
        "canary: 25% of the traffic",
        "canary: pause by ann: lunch",
        "canary: resume by ann: back",
        "canary: a server crashed, process 7 ended by itself (-9)",
        "canary: rolling back: errors 9 of 90",
        "canary: rolled back",
    ]


def test_a_force_is_loud_and_nothing_else_is() -> None:
    record = wished(begun(), "force", actor="bob", reason="election night", now=at(20))
    loud = [one.text for one in news({"here": record}, KEY) if one.loud]
    assert loud == ["FORCED to all traffic, whatever the checks say: force by bob: election night"]


def test_the_same_event_has_the_same_key_whenever_it_is_told_and_no_two_share_one() -> None:
    record = begun()
    early = [one.key for one in news({"here": record}, KEY)]
    late = [one.key for one in news({"here": gone_back(record)}, KEY)]
    assert late[: len(early)] == early
    assert len({*late}) == len(late)


def test_another_steps_rollout_is_not_told_and_an_aborted_ones_next_generation_is() -> None:
    record = wished(begun(), "abort", actor="ann", reason="wrong one", now=at(20))
    record = submitted(record, plan("d/2/rollout/-1", "5"), at(21))
    record = submitted(record, plan(version="4"), at(22))
    assert [text for text in heard(record) if "submitted" in text] == [
        "canary: submitted, version 4 by d/1/rollout/-1"
    ] * 2
    assert [one.version for one in news({"here": record}, "d/2/rollout/-1")] == ["5"]


def test_of_several_clusters_each_message_says_which() -> None:
    later = begun().model_copy(update={"history": tuple(_later(begun()))})
    assert heard({"east": begun(), "west": later}) == [
        "east: canary: submitted, version 4 by d/1/rollout/-1",
        "east: canary: 25% of the traffic",
        "west: canary: submitted, version 4 by d/1/rollout/-1",
        "west: canary: 25% of the traffic",
    ]


def _later(record: RolloutRecord) -> list[Event]:
    return [event.model_copy(update={"at": event.at + timedelta(minutes=5)}) for event in record.history]


def test_a_forced_candidate_is_not_said_to_be_rolled_back_though_its_checks_fail() -> None:
    verdict = verdict_of(plan(), RolloutState(phase=Phase.PROMOTED, since=at(0), checks=_forced_checks()))
    assert outcome(verdict) == "FORCED to all traffic, its checks say fail"
    assert "forced by bob: election night" in headline(verdict)
    assert "champion was v3" in headline(verdict)


def test_a_forced_candidate_that_went_back_after_all_is() -> None:
    stop = Assertion(metric="ready", decision=Decision.FAIL, reason="2 replicas were not ready")
    state = RolloutState(phase=Phase.ROLLED_BACK, since=at(0), checks=(*_forced_checks(), stop))
    assert outcome(verdict_of(plan(), state)) == "rolled back"


def _forced_checks() -> tuple[Comparison | Assertion, ...]:
    failed = Comparison(metric="error_rate", decision=Decision.FAIL, reason="errors 9 of 90")
    said = recorded(Intent(generation=1, wish="force", actor="bob", reason="election night", at=at(20)))
    assert said.metric == FORCED
    return failed, said


def test_a_step_that_never_was_has_nothing_to_tell() -> None:
    idle = at_phase(begun(), 20, Phase.PROMOTED, {CHAMPION: 100})
    assert news({"here": None}, KEY) == ()
    assert news({"here": idle}, "d/9/rollout/-1") == ()
