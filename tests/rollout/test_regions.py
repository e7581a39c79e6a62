"""Several clusters, one rollout: what is asked of each, whatever happens in which order."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pressrun.rollout.api import asked_of
from pressrun.rollout.changes import ended, submitted
from pressrun.rollout.regions import Ask, Submit, ended_everywhere, next_moves, plan_for
from pressrun.rollout.types import Arm, Phase, RolloutRecord, RolloutState
from tests.rollout.kubernetes.plans import plan_of, served

NOW = datetime(2026, 1, 5, 3, tzinfo=UTC)
STEP, PLAN = "d/2/t/-1", plan_of("d/2/t/-1", hold=True)
_FORWARD = {Phase.STARTING: Phase.STEPPING, Phase.STEPPING: Phase.BAKING, Phase.PROMOTING: Phase.PROMOTED}


class Clusters:
    """Each cluster's record, moved on as its own controller would."""

    def __init__(self, *names: str) -> None:
        self.records: dict[str, RolloutRecord | None] = dict.fromkeys(names, served())
        self.released_with: list[set[Phase | None]] = []
        self.submit(names[0])

    def submit(self, name: str) -> None:
        lead = next(iter(self.records.values()))
        first = name == next(iter(self.records))
        plan = PLAN if first or lead is None or lead.plan is None else lead.plan
        self.records[name] = submitted(self.records[name] or served(), plan, NOW)

    def phase(self, name: str) -> Phase | None:
        record = self.records[name]
        return record.state.phase if record and record.plan and record.state else None

    def wishes(self, name: str) -> list[str]:
        record = self.records[name]
        return [intent.wish for intent in record.intents] if record else []

    def enter(self, name: str, phase: Phase) -> None:
        record = self.records[name]
        assert record is not None
        said = "aborted by pressrun" if "abort" in self.wishes(name) else None
        state = RolloutState(phase=phase, since=NOW, decided_at=NOW, aborted=said)
        self.records[name] = ended(record.model_copy(update={"state": state}), NOW)

    def control(self, name: str, *, fails: bool = False) -> None:
        """One step of the cluster's controller."""
        phase = self.phase(name)
        if phase is None or phase in (Phase.PROMOTED, Phase.ROLLED_BACK):
            return
        if fails or "abort" in self.wishes(name):
            self.enter(name, Phase.ROLLED_BACK)
        elif phase is Phase.BAKING and "release" in self.wishes(name):
            self.enter(name, Phase.PROMOTED)
        elif phase in _FORWARD:
            self.enter(name, _FORWARD[phase])

    def wait(self, *, reach: int = 99, unknown: tuple[str, ...] = ()) -> None:
        """One round of whoever waits, which may die after some of its moves."""
        standing = {name: None if name in unknown else record for name, record in self.records.items()}
        for move in next_moves(standing, STEP, unknown=unknown)[:reach]:
            if isinstance(move, Submit):
                self.submit(move.cluster)
                continue
            if move.wish == "release":
                self.released_with.append({self.phase(name) for name in self.records})
            record = self.records[move.cluster]
            assert record is not None
            self.records[move.cluster] = asked_of(
                record, step_key=STEP, wish=move.wish, reason=move.reason, now=NOW
            )  # fmt: skip

    def settle(self) -> None:
        for _ in range(8):
            self.wait()
            for name in self.records:
                self.control(name)


def test_the_first_cluster_leads_and_the_others_hear_of_the_plan_from_its_bake_on() -> None:
    clusters = Clusters("east", "west", "north")
    for _ in range(2):
        clusters.wait()
        assert (clusters.phase("west"), clusters.phase("north")) == (None, None)
        clusters.control("east")
    assert clusters.phase("east") is Phase.BAKING
    assert next_moves(clusters.records, STEP) == (Submit(cluster="west"), Submit(cluster="north"))


def test_when_all_are_in_the_bake_all_are_released_and_end_promoted() -> None:
    clusters = Clusters("east", "west")
    clusters.settle()
    assert [clusters.phase(name) for name in clusters.records] == [Phase.PROMOTED] * 2
    assert ended_everywhere(clusters.records, STEP).keys() == {"east", "west"}
    assert next_moves(clusters.records, STEP) == ()


def test_one_that_fails_takes_all_back_and_those_that_never_began_do_not_begin() -> None:
    clusters = Clusters("east", "west", "north")
    for _ in range(2):
        clusters.control("east")
    clusters.submit("west")
    clusters.control("west", fails=True)
    assert next_moves(clusters.records, STEP) == (Ask(cluster="east", wish="abort", reason="west rolled back"),)
    clusters.settle()
    assert (clusters.phase("east"), clusters.phase("north")) == (Phase.ROLLED_BACK, None)
    assert ended_everywhere(clusters.records, STEP).keys() == {"east", "west"}


def test_a_lead_that_fails_at_once_is_the_end_of_it() -> None:
    clusters = Clusters("east", "west")
    clusters.control("east", fails=True)
    assert next_moves(clusters.records, STEP) == ()
    assert ended_everywhere(clusters.records, STEP).keys() == {"east"}


def test_a_retry_after_an_abort_goes_through_all_clusters_anew() -> None:
    clusters = Clusters("east", "west")
    for _ in range(2):
        clusters.control("east")
    clusters.wait()
    for record in ("east", "west"):
        found = clusters.records[record]
        assert found is not None
        clusters.records[record] = asked_of(found, step_key=STEP, wish="abort", reason="readers complain", now=NOW)
    clusters.settle()
    assert [clusters.phase(name) for name in clusters.records] == [Phase.ROLLED_BACK] * 2
    clusters.submit("east")
    assert ended_everywhere(clusters.records, STEP) == {}
    clusters.settle()
    assert [clusters.phase(name) for name in clusters.records] == [Phase.PROMOTED] * 2


def test_a_retry_after_a_failure_is_judged_in_every_cluster_again() -> None:
    clusters = Clusters("east", "west")
    for _ in range(2):
        clusters.control("east")
    clusters.wait()
    clusters.control("west", fails=True)
    clusters.settle()
    assert clusters.phase("east") is Phase.ROLLED_BACK
    clusters.submit("east")
    clusters.settle()
    assert [clusters.phase(name) for name in clusters.records] == [Phase.PROMOTED] * 2


def test_each_cluster_is_judged_against_the_champion_that_serves_there() -> None:
    lead = PLAN.champion
    assert lead is not None
    other = lead.model_copy(update={"version": "9", "digest": "9" * 64})
    baseline = PLAN.model_copy(update={"arms": (*PLAN.arms, Arm(name="baseline", model=lead))})
    differs = plan_for(baseline, served().model_copy(update={"champion": other}))
    assert {arm.name: arm.model.version for arm in differs.arms} == {
        "champion": "9", "baseline": "9", "candidate": PLAN.candidate.version,
    }  # fmt: skip
    new = plan_for(baseline, None)
    assert (new.champion, [arm.name for arm in new.arms]) == (None, ["candidate"])
    first = PLAN.model_copy(update={"arms": (Arm(name="candidate", model=PLAN.candidate),)})
    assert plan_for(first, served()).champion == served().champion


def test_other_steps_rollouts_are_left_alone() -> None:
    clusters = Clusters("east", "west")
    clusters.records["west"] = submitted(served(), plan_of("another/step", hold=True), NOW)
    clusters.enter("west", Phase.ROLLED_BACK)
    assert next_moves(clusters.records, STEP) == ()
    assert "west" not in ended_everywhere({"west": clusters.records["west"]}, STEP)
    clusters.settle()
    assert clusters.phase("west") is Phase.PROMOTED


def test_nothing_is_asked_of_a_cluster_that_is_away_and_nothing_released_without_it() -> None:
    clusters = Clusters("east", "west", "north")
    for name in ("west", "north"):
        clusters.submit(name)
    for name in clusters.records:
        clusters.enter(name, Phase.BAKING)
    clusters.wait(unknown=("north",))
    assert [clusters.wishes(name) for name in clusters.records] == [[], [], []]
    clusters.wait()
    assert [clusters.wishes(name) for name in clusters.records] == [["release"]] * 3


HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["controls", "controls", "controls", "fails", "waits", "waits", "waits blindly"]),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(HAPPENINGS)
def test_in_whatever_order_things_happen_it_ends_everywhere_and_nowhere_before_all_are_in_the_bake(
    happenings: list[tuple[str, int]],
) -> None:
    names = ("east", "west", "north")
    clusters, failed_before_release = Clusters(*names), False
    for what, number in happenings:
        name = names[number]
        if what == "controls":
            clusters.control(name)
        elif what == "fails":
            failed_before_release |= clusters.phase(name) in _FORWARD and not clusters.released_with
            clusters.control(name, fails=True)
        else:
            clusters.wait(reach=number + 1, unknown=(name,) if what == "waits blindly" else ())
    clusters.settle()
    for phases in clusters.released_with[:1]:
        assert phases <= {Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED}
    found = ended_everywhere(clusters.records, STEP)
    assert found
    if failed_before_release or not clusters.released_with:
        assert {outcome.phase for outcome in found.values()} == {Phase.ROLLED_BACK}
        assert not clusters.released_with
    before = dict(clusters.records)
    clusters.wait()
    assert clusters.records == before
