"""The page of a rollout: what it says at a glance, that it is true, and that nothing on it is obeyed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.changes import ended, moved, submitted, told, wished
from pressrun.rollout.evidence import ArmWindow, Evidence, Window
from pressrun.rollout.page import render_kept, render_page
from pressrun.rollout.page.metrics import axis_of, in_words
from pressrun.rollout.page.scale import Times, lasting
from pressrun.rollout.page.shown import past, present
from pressrun.rollout.page.traffic import marks_of, shares_of, spans_of
from pressrun.rollout.tracks import Look
from pressrun.rollout.types import (
    BASELINE,
    CANDIDATE,
    CHAMPION,
    Arm,
    LastWords,
    Phase,
    RolloutPlan,
    RolloutRecord,
    Traffic,
)
from pressrun.verdict import Assertion, Comparison, Decision, Override

BEGIN = datetime(2026, 1, 5, 3, tzinfo=UTC)
HOSTILE = '</style><script>alert(1)</script><img src=x onerror="x">\x1b[31m\u202e&'
POLICY = Rollout(steps=[25, 100], shadow=0.5)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def model(version: str) -> ModelRef:
    return ModelRef(name="topics", version=version, digest=version * 64, run_id="r", bundle="b")


def plan(step_key: str = "d/1/rollout/-1", version: str = "4", **more: Any) -> RolloutPlan:
    arms = (Arm(name=CHAMPION, model=model("3")), Arm(name=CANDIDATE, model=model(version)))
    given: dict[str, Any] = {"model": "topics", "pipeline": "topics", "step_key": step_key, "arms": arms}
    return RolloutPlan(**{**given, "policy": POLICY, **more})


def begun(**more: Any) -> RolloutRecord:
    """A rollout whose candidate has a quarter of the traffic since second 10."""
    record = submitted(RolloutRecord(model="topics", champion=model("3")), plan(**more), BEGIN)
    return at_phase(record, 10, Phase.STEPPING, {CHAMPION: 75, CANDIDATE: 25})


def at_phase(
    record: RolloutRecord, seconds: float, phase: Phase, weights: dict[str, int], **more: Any
) -> RolloutRecord:
    assert record.state is not None
    state = record.state.model_copy(update={"phase": phase, "since": at(seconds), "weights": weights, **more})
    return moved(record, state, at(seconds))


def gone_back(record: RolloutRecord, reason: str = "errors 9 of 90 against 0 of 300") -> RolloutRecord:
    checks = (Comparison(metric="error_rate", decision=Decision.FAIL, reason=reason, samples=90),)
    back = at_phase(record, 40, Phase.ROLLING_BACK, {CHAMPION: 100}, checks=checks, decided_at=at(40), back_at=at(41))
    return ended(at_phase(back, 42, Phase.ROLLED_BACK, {CHAMPION: 100}), at(42))


class Seen(HTMLParser):
    """The tags of a page, its text, and the attributes that could act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acting: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acting += [(name, value) for name, value in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def text_of(page: str) -> str:
    return Seen(page).text


def test_the_first_line_says_which_version_has_what_share() -> None:
    said = text_of(render_page(begun(), at(70)))
    assert "topics v4 has 25% of the traffic" in said
    assert "against champion v3 · step 1 of 2, since 1 min · for 1 min 10 s" in said


def test_a_candidate_that_went_back_says_why_in_big_type_and_when_it_was_out_of_traffic() -> None:
    page = render_page(gone_back(begun()), at(99))
    assert '<p class="reason fail">errors 9 of 90 against 0 of 300</p>' in page
    assert "topics v4 was rolled back" in text_of(page)
    assert "out of traffic 1.0 s after the decision" in text_of(page)


def test_an_abort_is_the_reason_though_other_checks_had_not_settled_either() -> None:
    stop = Assertion(metric="aborted", decision=Decision.INSUFFICIENT, reason="aborted by ann: wrong one")
    open_ = Comparison(metric="error_rate", decision=Decision.INSUFFICIENT, reason="3 observations")
    record = at_phase(begun(), 30, Phase.ROLLING_BACK, {CHAMPION: 100}, checks=(open_, stop))
    page = render_page(record, at(31))
    assert '<p class="reason fail">aborted by ann: wrong one</p>' in page
    assert '<p class="reason fail">3 observations</p>' not in page


def test_a_pause_names_who_holds_it_and_since_when() -> None:
    record = wished(begun(), "pause", actor="ann", reason="lunch", now=at(20))
    paused = at_phase(record, 10, Phase.STEPPING, {CHAMPION: 75, CANDIDATE: 25}, paused_at=at(20))
    said = text_of(render_page(paused, at(30)))
    assert "topics v4 has 25% of the traffic, paused" in said
    assert "PAUSED by ann at 03:00:20 UTC: lunch" in said


def test_a_force_and_an_overridden_gate_are_loud() -> None:
    override = Override(verdict_id="v", actor="eve", reason="gold is wrong", at=BEGIN, expiry=at(3600))
    record = begun(override=override, gate_decision=Decision.FAIL)
    record = wished(record, "force", actor="bob", reason="election night", now=at(20))
    page = render_page(at_phase(record, 21, Phase.PROMOTING, {CANDIDATE: 100}), at(22))
    assert page.count('class="box fail"') == 2
    assert "FORCED by bob at 03:00:20 UTC, whatever the checks say: election night" in text_of(page)
    assert "GATE OVERRIDDEN eve overrode the gate's fail" in text_of(page)
    assert "is being promoted by force" in text_of(page)


def test_a_page_under_way_asks_for_itself_again_and_a_kept_one_never_does() -> None:
    record = gone_back(begun())
    assert '<meta http-equiv="refresh" content="3">' in render_page(begun(), at(20))
    assert '<meta http-equiv="refresh" content="30">' in render_page(record, at(50))
    assert "refresh" not in render_kept(record, record.outcomes[-1])


def test_a_model_that_never_had_a_rollout_has_a_page() -> None:
    assert "No champion serves yet." in text_of(render_page(RolloutRecord(model="topics")))


def test_nothing_on_the_page_comes_from_elsewhere_and_nothing_can_act() -> None:
    record = watched(wished(begun(), "pause", actor=HOSTILE, reason=HOSTILE, now=at(20)))
    words = (LastWords(server=HOSTILE, log=(HOSTILE,), events=(HOSTILE,)),)
    traffic = Traffic(requests={HOSTILE: 3}, errors={HOSTILE: 1})
    record = told(record, "crashed", HOSTILE, at(30)).model_copy(update={"last_words": words, "traffic": traffic})
    record = gone_back(record, HOSTILE)
    record = record.model_copy(update={"champion": model("3").model_copy(update={"version": HOSTILE})})
    for page in (render_page(record, at(99)), render_kept(record, record.outcomes[-1])):
        seen = Seen(page)
        assert not {"script", "img", "link", "iframe", "form", "a"} & {*seen.tags}
        assert seen.acting == []
        assert not {"\x1b", "\u202e"} & {*page.partition('class="pr-verdict')[0]}
        assert page.count("</style>") == page.count("<style>")


def test_the_steps_of_the_traffic_are_drawn_as_they_were_and_the_baselines_beside_them() -> None:
    record = at_phase(begun(), 20, Phase.STEPPING, {CANDIDATE: 50, BASELINE: 30, CHAMPION: 20}, step=1)
    shown = present(record, at(50))
    assert shown is not None
    assert shares_of(shown, CANDIDATE) == [(at(0), 0), (at(10), 25), (at(20), 50)]
    assert shares_of(shown, BASELINE) == [(at(0), 0), (at(10), 0), (at(20), 30)]
    assert [(span.words, span.begin, span.end) for span in spans_of(shown)] == [
        ("starting", at(0), at(10)),
        ("25%", at(10), at(20)),
        ("100%", at(20), at(50)),
    ]
    page = render_page(record, at(50))
    assert (
        '<polyline points="0.00,100 0.00,100 20.00,100 20.00,75 40.00,75 40.00,50 100,50" class="candidate"/>' in page
    )
    assert 'class="baseline"/>' in page


def test_events_that_come_together_are_numbered_and_kept_apart() -> None:
    record = begun()
    for second in (20, 20.2, 20.4, 45):
        record = told(record, "crashed", f"process {second}", at(second))
    shown = present(record, at(50))
    assert shown is not None
    marks = marks_of(shown, Times(begin=shown.begin, end=shown.end))
    assert [(mark.number, mark.lane) for mark in marks] == [(1, 0), (2, 1), (3, 2), (4, 0)]
    assert "a server crashed: process 45" in text_of(render_page(record, at(50)))


def watched(record: RolloutRecord, windows: int = 30, *, errors: int = 0) -> RolloutRecord:
    """With evidence of so many windows."""
    evidence = Evidence()
    for number in range(windows):
        arms = {
            CANDIDATE: ArmWindow(requests=20, errors=errors, latencies={40: 20 - errors}),
            CHAMPION: ArmWindow(requests=20, latencies={40: 20}),
        }
        window = Window(source="router", sequence=number, arms=arms, pairs=10, disagreements=1)
        evidence = evidence.take(window, POLICY)
    return record.model_copy(update={"evidence": evidence})


def test_each_metric_has_its_interval_its_budget_and_what_was_won() -> None:
    checks = (Comparison(metric="error_rate", decision=Decision.FAIL, reason="errors 120 of 600"),)
    record = at_phase(watched(begun(), errors=4), 10, Phase.STEPPING, {CHAMPION: 75, CANDIDATE: 25}, checks=checks)
    page = render_page(record, at(60))
    said = text_of(page)
    assert page.count('class="interval"') == page.count('class="budget"') == page.count('class="estimate"') == 3
    assert 'class="card fail"' in page
    assert "Errors fail" in said
    assert "+20.0%" in said
    assert "+1.0% allowed" in said
    assert "errors 120 of 600" in said
    assert 'style="width:100.0%"' in page, "harm is shown, so its meter is full"


def test_a_rollout_that_nobody_read_has_a_page_of_looks_without_a_window() -> None:
    record = begun()
    for number in range(3):
        arms = {CHAMPION: ArmWindow(requests=20, latencies={40: 20})}
        window = Window(source="router", sequence=number, arms=arms)
        evidence = (record.evidence or Evidence()).take(window, POLICY)
        record = record.model_copy(update={"evidence": evidence})
    assert "n/a above the champion's" in text_of(render_page(record, at(60)))


def test_what_fails_is_shown_first() -> None:
    passed = Comparison(metric="error_rate", decision=Decision.PASS, reason="no errors")
    failed = Comparison(metric="latency_ratio", decision=Decision.FAIL, reason="slow")
    weights = {CHAMPION: 75, CANDIDATE: 25}
    said = text_of(
        render_page(at_phase(watched(begun()), 10, Phase.STEPPING, weights, checks=(passed, failed)), at(60))
    )
    assert said.index("Latency fail") < said.index("Disagreement insufficient") < said.index("Errors pass")


def test_windows_left_out_are_told() -> None:
    record = watched(begun())
    assert record.evidence is not None
    holes = record.evidence.model_copy(update={"missing": 2, "reset": 1})
    said = text_of(render_page(record.model_copy(update={"evidence": holes}), at(60)))
    assert "30 windows are evidence; left out: 2 missing, 1 reset" in said


def test_an_axis_has_room_for_the_budget_and_ignores_the_first_wild_looks() -> None:
    wild = Look(number=1, estimate=0.9, low=None, high=None)
    calm = [Look(number=n, estimate=0.004, low=-0.01, high=0.03) for n in range(2, 9)]
    axis = axis_of("error_rate", 0.01, (wild, *calm))
    assert axis.most < 0.05
    assert 0 < axis.at(0.01) < 100
    ratio = axis_of("latency_ratio", 1.5, (Look(number=1, estimate=1.2, low=0.9, high=2.0),))
    assert ratio.logarithmic
    assert ratio.at(1.2) < ratio.at(1.0)


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("error_rate", 0.0412, "+4.1%"),
        ("error_rate", -0.0005, "−0.05%"),
        ("latency_ratio", 1.254, "1.25×"),
        ("disagreement", 0.31, "31.0%"),
        ("error_rate", None, "open"),
        ("error_rate", 0.0, "0%"),
    ],
)
def test_values_are_said_in_their_unit(metric: str, value: float | None, said: str) -> None:
    assert in_words(metric, value) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-3, "0 s"), (59.6, "1 min"), (192, "3 min 12 s"), (7500, "2 h 5 min"), (277200, "3 d 5 h")]
)
def test_a_length_of_time_is_said_as_people_do(seconds: float, said: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == said


def test_an_axis_of_any_length_has_a_few_round_times() -> None:
    for seconds in (0, 1, 7, 45, 600, 5000, 40000, 3e5, 3e6):
        ticks = Times(begin=at(0.3), end=at(0.3 + seconds)).ticks()
        assert len(ticks) <= 9
        assert all(0 <= place <= 100 for place, _ in ticks)
    assert [word for _, word in Times(begin=at(5), end=at(200)).ticks()] == [
        "03:00:30", "03:01:00", "03:01:30", "03:02:00", "03:02:30", "03:03:00",
    ]  # fmt: skip


def test_what_servers_said_last_is_folded_away_below() -> None:
    words = (LastWords(server="topics-2-x1", log=("line 1", "out of memory"), events=("OOMKilled",)),)
    record = gone_back(begun().model_copy(update={"last_words": words}))
    page = render_kept(record, record.outcomes[-1])
    assert "<details><summary>topics-2-x1: 2 log lines, 1 events</summary>" in page
    assert "line 1\nout of memory" in page


def test_an_earlier_rollout_is_shown_by_what_is_left_of_it_once_another_has_begun() -> None:
    record = gone_back(wished(watched(begun()), "pause", actor="ann", reason="lunch: late", now=at(20)))
    record = submitted(record, plan("d/2/rollout/-1", "5"), at(100))
    shown = past(record, record.outcomes[0])
    assert (shown.version, shown.phase, shown.evidence) == ("4", Phase.ROLLED_BACK, None)
    assert (shown.begin, shown.end) == (at(0), at(42))
    assert [(i.wish, i.actor, i.reason) for i in shown.intents] == [("pause", "ann", "lunch: late")]
    said = text_of(render_kept(record, record.outcomes[0]))
    assert "topics v4 was rolled back" in said
    assert "Traffic over time" in said
