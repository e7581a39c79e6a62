"""Two clusters in one plan, each stood for by a namespace with its controller: one leads, one failing aborts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pressrun.rollout.kubernetes.cluster import ClusterApi
from pressrun.rollout.kubernetes.names import arm_labels
from pressrun.rollout.records import api_of, records_at
from pressrun.rollout.types import Phase, RolloutRecord
from tests.kubernetes.beside import kill_container
from tests.kubernetes.incidents import TOLD, Incident
from tests.kubernetes.load import LoadClient
from tests.kubernetes.site import Site

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]


@pytest.fixture(scope="module")
def pair(sites: Callable[..., Site]) -> Site:
    """By replicas, since routes of one host at one gateway cannot stand for two clusters'."""
    return sites(clusters=2, split="replicas", replicas=1)


def apis(site: Site) -> list[ClusterApi]:
    assert site.environment.kubernetes is not None
    return [api_of(cluster) for cluster in site.environment.kubernetes.clusters]


@pytest.fixture
def loads(pair: Site, node_is_here: None) -> Iterator[list[LoadClient]]:
    with ExitStack() as stack:
        found = []
        for api in apis(pair):
            address = (api.get("Service", "topics") or {})["spec"]["clusterIP"]
            load = LoadClient(
                url=f"http://{address}", host="topics", rate=25, headers=lambda number: {"connection": "close"}
            )
            found.append(stack.enter_context(load))
        for load in found:
            load.wait_for(25)
        yield found


def second(site: Site) -> RolloutRecord:
    found = records_at(site.environment, site.more_namespaces[0]).read("topics")
    assert found is not None
    return found


def stands(record: RolloutRecord, step: str) -> Phase | None:
    """The step's phase there; None where it is not under way."""
    under_way = record.plan is not None and record.plan.step_key == step
    return record.state.phase if under_way and record.state else None


def carried_until(site: Site, step: str, holds: Callable[[], object], *, seconds: float = 90.0) -> None:
    def at_last(record: RolloutRecord) -> object:
        site.carried_on(step)
        return holds()

    site.until(at_last, seconds=seconds)


def test_the_second_cluster_follows_when_the_first_bakes(pair: Site, loads: list[LoadClient]) -> None:
    since = time.time()
    step = pair.roll(pair.model(), hold=True)
    alone = []

    def first_bakes() -> bool:
        alone.append(stands(second(pair), step))
        return stands(pair.record(), step) is Phase.BAKING

    carried_until(pair, step, first_bakes)
    assert set(alone[:-1]) <= {None}
    outcome = pair.ended(step)
    assert outcome.phase is Phase.PROMOTED, pair.story()
    assert second(pair).outcomes[-1].phase is Phase.PROMOTED
    assert [load.between(since).failed for load in loads] == [0, 0]


def test_one_cluster_that_fails_takes_the_other_back(pair: Site, loads: list[LoadClient]) -> None:
    step = pair.roll(pair.model(), hold=True)
    carried_until(pair, step, lambda: stands(second(pair), step) is Phase.STEPPING)
    assert stands(pair.record(), step) is Phase.BAKING
    generation, since = second(pair).plan.generation, time.time()
    kill_container(apis(pair)[1].find("Pod", arm_labels("topics", generation))[0], "server")
    outcome = pair.ended(step)
    took = time.time() - since
    for load in loads:
        load.wait_for(50)
    ends = [record.outcomes[-1] for record in (pair.record(), second(pair))]
    assert [end.phase for end in ends] == [Phase.ROLLED_BACK] * 2, pair.story()
    assert [end.aborted for end in ends] == [True, False]
    assert not outcome.aborted
    assert f"aborted by pressrun: {pair.more_namespaces[0]} rolled back" in ends[0].verdict.notes
    counts = [load.between(since) for load in loads]
    TOLD.append(
        Incident(
            fault="two clusters, the second's candidate killed", end="both rolled back",
            requests=sum(c.sent for c in counts), failed=sum(c.failed for c in counts),
            on_champion=counts[0].failed, after=sum(load.between(time.time() - 1).failed for load in loads),
            seconds=took, which="kill to both ends",
        )
    )  # fmt: skip
    assert counts[0].failed == 0, counts
