"""One tick after another against a cluster in memory: what is done, in what order, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from pressrun.config.environment import Gateway
from pressrun.config.pipeline import Rollout
from pressrun.rollout.changes import submitted, wished
from pressrun.rollout.kubernetes import keeper as keeping
from pressrun.rollout.kubernetes import measuring
from pressrun.rollout.kubernetes.cluster import Object, Stale, Unreachable
from pressrun.rollout.kubernetes.keeper import ClusterKeeper
from pressrun.rollout.kubernetes.pages import shadowing
from pressrun.rollout.kubernetes.records import ClusterRecords
from pressrun.rollout.kubernetes.resource import record_of, resource_of, status_of
from pressrun.rollout.kubernetes.scraping import NotRead
from pressrun.rollout.types import Phase, RolloutPlan, RolloutRecord, RolloutState
from pressrun.verdict import Decision
from tests.rollout.kubernetes.cluster_in_memory import ClusterInMemory, deployment_names
from tests.rollout.kubernetes.plans import DEPLOY, NOW, plan_of, served

# Nothing but people decides here: each step is long, and no gateway counts.
PATIENT = Rollout(steps=[50, 100], min_requests=10, max_step=timedelta(hours=9), bake=timedelta(hours=9), shadow=0)
QUIET = DEPLOY.model_copy(update={"gateway": Gateway(name="web", namespace="gateway", sticky_header=None)})


class Site:
    """A cluster with a champion, and one controller that may die."""

    def __init__(self) -> None:
        self.cluster = ClusterInMemory()
        self.records = ClusterRecords(self.cluster, controls=True)
        self.keeper = ClusterKeeper(self.cluster, self.records, "topics")
        record = served().model_copy(update={"champion_deploy": QUIET})
        body = {**resource_of(record, "news"), "status": status_of(record, NOW)}
        body["metadata"]["uid"] = "u1"
        self.cluster.put("Rollout", "topics", labels=body["metadata"]["labels"], meta={"uid": "u1"},
                         apiVersion=body["apiVersion"], spec=body["spec"], status=body["status"])  # fmt: skip
        self.tick(3)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.keeper.tick()
            self.cluster.run_pods("topics")

    def submit(self, plan: RolloutPlan | None = None) -> None:
        plan = plan or plan_of(deploy=QUIET, policy=PATIENT)
        ClusterRecords(self.cluster).update("topics", lambda record: submitted(record, plan, datetime.now(UTC)))

    def wish(self, wish: str, reason: str = "as the test says") -> None:
        self.cluster.edit(
            "Rollout",
            "topics",
            lambda one: one["metadata"].update(annotations={f"pressrun.dev/{wish}": f"ann: {reason}"}),
        )

    @property
    def record(self) -> RolloutRecord:
        return record_of(self.cluster.objects["Rollout", "topics"])

    @property
    def state(self) -> RolloutState:
        assert self.record.state is not None
        return self.record.state

    @property
    def weights(self) -> dict[str, int]:
        backends = self.cluster.objects["HTTPRoute", "topics"]["spec"]["rules"][-1]["backendRefs"]
        return {one["name"]: one["weight"] for one in backends}

    def told(self, kind: str) -> list[str]:
        return [event.text for event in self.record.history if event.kind == kind]

    def stepping(self) -> None:
        self.submit()
        self.tick(5)
        assert self.state.phase is Phase.STEPPING
        assert self.weights == {"topics-g1": 50, "topics-g2": 50}
        self.cluster.calls.clear()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    def silent(url: str) -> str:
        raise NotRead(url)

    monkeypatch.setattr(measuring, "read", silent)
    return Site()


def test_an_idle_champion_whose_deployment_vanished_is_started_again_and_it_is_told_once(site: Site) -> None:
    before = len(site.told("mended"))
    site.cluster.objects.pop(("Deployment", "topics-g1"))
    site.tick(4)
    assert site.cluster.objects["Deployment", "topics-g1"]["spec"]["replicas"] == DEPLOY.replicas
    assert len(site.told("mended")) == before + 1
    assert site.weights == {"topics-g1": 100}


def test_a_champion_at_rest_is_left_alone(site: Site) -> None:
    site.cluster.calls.clear()
    site.tick(5)
    assert site.cluster.calls == []


def test_traffic_and_pods_are_read_first_and_the_record_last(site: Site) -> None:
    site.stepping()
    read: list[str] = []
    site.cluster.meanwhile = lambda verb, kind, name: read.append(kind) if verb in ("get", "list") else None
    site.keeper.tick()
    last = len(read) - 1 - read[::-1].index("Pod")
    assert max(read.index("HTTPRoute"), read.index("Deployment"), last) < len(read) - 1 - read[::-1].index("Rollout")


def test_a_rollout_starts_steps_and_goes_on_to_its_end(site: Site) -> None:
    site.stepping()
    site.wish("promote")
    site.tick(8)
    assert site.state.phase is Phase.PROMOTED
    assert site.weights == {"topics-g2": 100}
    assert deployment_names(site.cluster) == {"topics-g2"}
    assert site.record.champion is not None
    assert site.record.champion.version == "2"


def test_a_pods_words_are_kept_before_it_goes_and_stay_on_the_outcome(site: Site) -> None:
    site.stepping()
    site.cluster.said["topics-g2-0/server/now"] = "a last word"
    site.wish("abort")
    words_when_deleted: list[int] = []

    def watch(verb: str, kind: str, name: str) -> None:
        if (verb, kind) == ("delete", "Deployment"):
            words_when_deleted.append(len(site.record.last_words))

    site.cluster.meanwhile = watch
    site.tick(6)
    assert site.state.phase is Phase.ROLLED_BACK
    assert words_when_deleted[0] > 0
    assert "a last word" in [line for words in site.record.outcomes[-1].last_words for line in words.log]


def test_only_one_arms_objects_are_ever_deleted(site: Site) -> None:
    for name in ("other-g2", "topics-g20", "topics"):
        site.cluster.put("Deployment", name, labels={"app": "somebody's"}, spec={"replicas": 1})
    site.stepping()
    site.wish("abort")
    site.tick(6)
    assert {name for verb, _, name in site.cluster.calls if verb == "delete"} == {"topics-g2"}
    assert {"topics-g1", "other-g2", "topics-g20", "topics"} <= deployment_names(site.cluster)


def moved(body: Object) -> None:
    for backend in body["spec"]["rules"][-1]["backendRefs"]:
        backend["weight"] = 50


@pytest.mark.parametrize("edit", [moved, lambda body: body["spec"].pop("rules"), lambda body: body["spec"].clear()])
def test_a_route_edited_by_hand_is_put_right_and_it_is_told_once(site: Site, edit: object) -> None:
    site.stepping()
    site.cluster.edit("HTTPRoute", "topics", lambda body: body["spec"]["rules"][-1]["backendRefs"][0].update(weight=1))
    site.cluster.edit("HTTPRoute", "topics", edit if edit is not moved else lambda body: None)  # type: ignore[arg-type]
    site.tick(4)
    assert site.weights == {"topics-g1": 50, "topics-g2": 50}
    assert len(site.told("mended")) == 2  # the champion of the site's beginning is the first
    assert site.state.phase is Phase.STEPPING


def test_a_route_that_somebody_deleted_comes_back(site: Site) -> None:
    site.stepping()
    site.cluster.objects.pop(("HTTPRoute", "topics"))
    site.tick(2)
    assert site.weights == {"topics-g1": 50, "topics-g2": 50}


def test_a_write_that_an_older_look_decided_is_refused(site: Site) -> None:
    """Somebody wrote the route between look and write: nothing is overwritten before it was looked at again."""
    site.stepping()
    site.wish("abort")
    edited: list[str] = []

    def somebody(verb: str, kind: str, name: str) -> None:
        if (verb, kind) == ("apply", "HTTPRoute") and not edited:
            edited.append(name)
            site.cluster.edit(kind, name, lambda body: body["metadata"].update(annotations={"team": "news"}))

    site.cluster.meanwhile = somebody
    site.keeper.tick()
    assert edited
    assert site.weights == {"topics-g1": 50, "topics-g2": 50}
    assert "topics-g2" in deployment_names(site.cluster)
    site.tick(6)
    assert site.weights == {"topics-g1": 100}


def test_a_judge_that_raises_passes_nobody_and_ends_in_a_rollback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.stepping()

    def broken(*given: object) -> None:
        raise ZeroDivisionError("http://ann:hunter2secret@gateway " + "x" * 90_000)

    monkeypatch.setattr(keeping, "measure", broken)
    site.tick(6)
    verdict = site.record.outcomes[-1].verdict
    assert (site.state.phase, verdict.decision) == (Phase.ROLLED_BACK, Decision.ERROR)
    (check,) = [one for one in verdict.checks if one.metric == "analysis"]
    assert "ZeroDivisionError" in check.reason
    assert "hunter2secret" not in check.reason
    assert len(check.reason) < 1000
    assert site.weights == {"topics-g1": 100}


def test_a_candidate_that_ends_by_itself_is_rolled_back_with_its_reason(site: Site) -> None:
    site.stepping()
    site.cluster.run_pods("topics", restarts=1)
    site.keeper.tick()
    assert site.state.phase is Phase.ROLLING_BACK
    assert "OOMKilled, exit code 137" in site.state.checks[-1].reason


@pytest.mark.parametrize("end", ["promote", "abort"])
def test_a_controller_that_dies_before_any_call_ends_where_one_that_lives_does(site: Site, end: str) -> None:
    site.stepping()
    site.wish(end)
    for number in range(60):
        left = iter(range(number % 23))

        def dies(verb: str, kind: str, name: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Unreachable("the controller dies here")

        site.cluster.meanwhile = dies
        with suppress(Unreachable):
            ClusterKeeper(site.cluster, site.records, "topics").tick()
        site.cluster.meanwhile = lambda verb, kind, name: None
        site.cluster.run_pods("topics")
    site.tick(4)
    served_by = "topics-g2" if end == "promote" else "topics-g1"
    assert (site.weights, deployment_names(site.cluster)) == ({served_by: 100}, {served_by})
    assert len(site.record.outcomes) == 1


def test_a_rollout_first_makes_the_route_its_own_though_it_divides_as_it_should(site: Site) -> None:
    """A write that the rollout before has still on its way is then refused: it was decided by an older route."""
    before = site.cluster.objects["HTTPRoute", "topics"]["metadata"]["resourceVersion"]
    told = site.told("mended")
    site.submit()
    site.tick()
    route = site.cluster.objects["HTTPRoute", "topics"]
    assert route["metadata"]["resourceVersion"] != before
    assert site.weights == {"topics-g1": 100}
    assert deployment_names(site.cluster) == {"topics-g1"}
    with pytest.raises(Stale):
        site.cluster.apply({**route, "metadata": {**route["metadata"], "resourceVersion": before}})
    site.tick(2)
    assert deployment_names(site.cluster) == {"topics-g1", "topics-g2"}
    assert site.told("mended") == told


def test_the_next_plan_waits_for_the_end_of_the_one_under_way(site: Site) -> None:
    site.stepping()
    site.submit(plan_of("d/3/t/-1", candidate="3", deploy=QUIET, policy=PATIENT))
    site.tick(2)
    assert deployment_names(site.cluster) == {"topics-g1", "topics-g2"}
    site.wish("abort")
    site.tick(9)
    assert deployment_names(site.cluster) == {"topics-g1", "topics-g3"}
    assert [outcome.generation for outcome in site.record.outcomes] == [2]


def test_a_rollout_that_was_deleted_leaves_nothing_to_do_and_its_servers_without_a_word(site: Site) -> None:
    site.stepping()
    assert shadowing(site.keeper)["arms"].keys() == {"champion", "candidate"}
    site.cluster.objects.pop(("Rollout", "topics"))
    assert site.keeper.tick() is False
    assert site.cluster.calls == []
    assert shadowing(site.keeper) == {}


def test_all_that_is_made_for_a_rollout_names_it_as_owner_so_that_it_goes_with_it(site: Site) -> None:
    autoscaled = QUIET.model_copy(update={"max_replicas": 5})
    site.submit(plan_of(deploy=autoscaled, policy=PATIENT))
    site.tick(5)
    site.wish("promote")
    site.tick(8)
    site.submit(plan_of("d/3/t/-1", deploy=autoscaled, policy=PATIENT))
    site.tick(5)
    made = {key: found for key, found in site.cluster.objects.items() if key[0] not in ("Rollout", "Pod")}
    owners = {key: [one["uid"] for one in found["metadata"]["ownerReferences"]] for key, found in made.items()}
    assert ("HorizontalPodAutoscaler", "topics-g2") in owners
    assert set(map(tuple, owners.values())) == {("u1",)}


def test_one_tick_of_a_rollout_reads_its_record_twice_and_no_oftener(site: Site) -> None:
    site.stepping()
    read: list[str] = []
    site.cluster.meanwhile = lambda verb, kind, name: read.append(kind) if verb in ("get", "list") else None
    site.keeper.tick()
    assert read.count("Rollout") == 2


def test_a_wish_by_kubectl_stands_in_the_history_once(site: Site) -> None:
    site.stepping()
    site.wish("pause")
    site.tick(3)
    assert site.told("intent") == ["pause by ann: as the test says"]
    assert site.state.paused_at is not None
    site.records.update("topics", lambda record: wished(record, "pause", actor="bo", reason="too", now=NOW))
    site.tick(2)
    assert len(site.told("intent")) == 1
