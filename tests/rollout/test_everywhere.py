"""Clusters that do not answer keep nothing from those that do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pressrun.config.environment import Cluster, Environment, Kubernetes
from pressrun.rollout import abort, carry_on, intervene, news_of, outcome
from pressrun.rollout import everywhere as everywhere_module
from pressrun.rollout.changes import ended
from pressrun.rollout.kubernetes.cluster import Refused, Unreachable
from pressrun.rollout.types import Phase, RolloutRecord, RolloutState
from tests.rollout.kubernetes.plans import DEPLOY, NOW, plan_of, under_way

STEP = "d/2/t/-1"
ANN = {"actor": "ann", "reason": "readers complain"}


@dataclass
class Place:
    """The records of one cluster, which may be away."""

    record: RolloutRecord | None = None
    away: Exception | None = None

    def models(self) -> list[str]:
        return ["topics"]

    def read(self, model: str) -> RolloutRecord | None:
        if self.away:
            raise self.away
        return self.record

    def update(self, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord:
        before = self.read(model) or RolloutRecord(model=model)
        after = change(before)
        self.record = after.model_copy(update={"version": before.version + (after != before)})
        return self.record

    @property
    def wishes(self) -> list[str]:
        return [intent.wish for intent in self.record.intents] if self.record else []


def three(phase: Phase) -> dict[str, Place]:
    return {name: Place(under_way(phase, plan=plan_of(hold=True))) for name in ("east", "west", "north")}


@pytest.fixture
def kubernetes(environment: Environment) -> Environment:
    clusters = [Cluster(name=name) for name in ("east", "west", "north")]
    section = Kubernetes(clusters=clusters, deploy=DEPLOY, controller_image="controller:1")
    return environment.model_copy(update={"kubernetes": section})


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Place]:
    places = three(Phase.BAKING)

    monkeypatch.setattr(everywhere_module, "records_at", lambda environment, name: places[name])
    return places


def away(place: Place) -> None:
    place.away = Unreachable("the cluster's API does not answer: MaxRetryError")


def end(place: Place, phase: Phase) -> None:
    assert place.record is not None
    state = RolloutState(phase=phase, since=NOW, decided_at=NOW)
    place.record = ended(place.record.model_copy(update={"state": state}), NOW)


def test_an_abort_reaches_the_clusters_behind_one_that_is_away_and_names_it(
    kubernetes: Environment, found: dict[str, Place]
) -> None:
    away(found["east"])
    with pytest.raises(Unreachable, match=r"cluster east: .*Heard by west, north"):
        abort(kubernetes, "topics", step_key=STEP, **ANN)
    assert [place.wishes for place in found.values()] == [[], ["abort"], ["abort"]]


def test_a_person_is_heard_by_the_clusters_behind_one_that_is_away_or_refuses(
    kubernetes: Environment, found: dict[str, Place]
) -> None:
    found["east"].away = Refused("no context of that name")
    away(found["north"])
    with pytest.raises(Refused, match=r"cluster east: no context.*cluster north: .*Heard by west"):
        intervene(kubernetes, "topics", "abort", **ANN)
    assert found["west"].wishes == ["abort"]


def test_a_failure_takes_back_the_clusters_that_answer(kubernetes: Environment, found: dict[str, Place]) -> None:
    away(found["east"])
    end(found["west"], Phase.ROLLED_BACK)
    carry_on(kubernetes, "topics", STEP)
    assert found["north"].wishes == ["abort"]
    assert outcome(kubernetes, "topics", STEP) is None, "the cluster that is away may still have the candidate"


@pytest.mark.parametrize("name", ["east", "north"])
def test_nothing_is_released_or_submitted_while_a_cluster_is_unknown(
    kubernetes: Environment, found: dict[str, Place], name: str
) -> None:
    away(found[name])
    carry_on(kubernetes, "topics", STEP)
    found[name].away = None
    assert [place.wishes for place in found.values()] == [[], [], []]
    carry_on(kubernetes, "topics", STEP)
    assert [place.wishes for place in found.values()] == [["release"]] * 3


def test_a_cluster_that_refuses_is_no_reason_to_wait(kubernetes: Environment, found: dict[str, Place]) -> None:
    found["north"].away = Refused("forbidden")
    end(found["west"], Phase.ROLLED_BACK)
    with pytest.raises(Refused, match="forbidden"):
        carry_on(kubernetes, "topics", STEP)
    assert found["east"].wishes == ["abort"], "the others are taken back before it is told"


def test_news_come_from_the_clusters_that_answer(kubernetes: Environment, found: dict[str, Place]) -> None:
    end(found["north"], Phase.ROLLED_BACK)
    away(found["east"])
    assert isinstance(news_of(kubernetes, "topics", STEP), tuple)
