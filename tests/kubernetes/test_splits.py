"""How traffic is divided: by replicas behind one Service, with a fresh baseline, and by reader."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from pressrun.rollout import abort
from pressrun.rollout.types import Phase
from pressrun.verdict import Decision
from tests.kubernetes.conftest import readers
from tests.kubernetes.incidents import SETTLE, incident
from tests.kubernetes.load import LoadClient
from tests.kubernetes.site import LONG, POLICY, Site

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]


@pytest.fixture(scope="module")
def by_replicas(sites: Callable[..., Site]) -> Site:
    return sites(split="replicas", replicas=3)


def service(site: Site) -> dict:
    found = site.api.get("Service", "topics")
    assert found is not None
    return found["spec"]


@pytest.fixture
def inside(by_replicas: Site, node_is_here: None) -> Iterator[LoadClient]:
    """Readers inside the cluster; a connection each, since a Service divides connections."""
    url = f"http://{service(by_replicas)['clusterIP']}"
    with LoadClient(url=url, host="topics", headers=lambda number: {"connection": "close"}) as load:
        load.wait_for(50)
        yield load


def test_by_replicas_the_candidate_gets_its_share_of_the_pods(by_replicas: Site, inside: LoadClient) -> None:
    site, new, since = by_replicas, by_replicas.model(), time.time()
    step = site.roll(new, policy=LONG)
    began = site.until(lambda record: record.state.phase is Phase.STEPPING).state.since.timestamp()
    site.until(lambda record: record.state.step == 1)
    counted = inside.between(began + SETTLE, time.time() - 1)
    outcome = site.ended(step)
    inside.wait_for(100)
    found = inside.between(since)
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, (found, site.story())
    assert counted.by_version[new.version] / counted.sent == pytest.approx(1 / 4, abs=0.08), counted
    assert service(site)["selector"]["pressrun.dev/generation"] == str(outcome.generation)


def test_by_replicas_a_failing_candidate_goes_back(
    by_replicas: Site, inside: LoadClient, faulty: Callable[[str], str]
) -> None:
    site, image, since = by_replicas, faulty("errors:0"), time.time()
    champion = site.record().champion_generation
    outcome = site.ended(site.roll(site.model(), image=image))
    inside.wait_for(150)
    # One of four pods, whom connections meet by chance: in a short time it may be a few more.
    moves = [(at, weight and 40) for at, weight in site.moves(outcome.generation)]
    found = incident(
        inside, fault="errors, split by replicas", end="rolled back", moves=moves,
        champion=site.champion.version, since=since, bad=lambda r: r.failed, which="first failure to weight 0",
    )  # fmt: skip
    assert outcome.phase is Phase.ROLLED_BACK, site.story()
    assert (found.on_champion, found.after) == (0, 0), (found, site.story())
    assert found.failed <= found.requests / 4, found
    assert found.seconds <= 30, found
    assert service(site)["selector"]["pressrun.dev/generation"] == str(champion)


def test_a_fresh_baseline_gets_what_the_candidate_gets_and_goes_after_it(site: Site, load: LoadClient) -> None:
    new, since = site.model(), time.time()
    step = site.roll(new, policy=LONG, baseline=True)
    generation = site.weighs(20).plan.generation
    began = time.time()
    record = site.record()
    assert record.state.weights == {"candidate": 20, "baseline": 20, "champion": 60}
    load.wait_for(400)
    arms = load.between(began + SETTLE)
    assert arms.by_version[new.version] / arms.sent == pytest.approx(0.2, abs=0.02), arms
    assert {arm: arms.share(arm) for arm in ("candidate", "baseline", "champion")} == {
        "candidate": pytest.approx(0.2, abs=0.02),
        "baseline": pytest.approx(0.2, abs=0.02),
        "champion": pytest.approx(0.6, abs=0.02),
    }, arms
    abort(site.environment, "topics", actor="test", reason="seen enough", step_key=step)
    assert site.ended(step).aborted
    assert load.between(since).failed == 0
    site.until(lambda _: not site.api.find("Pod", {"pressrun.dev/role": "baseline"}), seconds=90)
    assert site.api.get("Deployment", f"topics-g{generation}-baseline", version="apps/v1") is None


def test_a_baseline_does_not_hide_that_the_candidate_answers_wrongly(site: Site, load: LoadClient) -> None:
    outcome = site.ended(site.roll(site.model(wrong=True), baseline=True))
    assert outcome.phase is Phase.ROLLED_BACK, site.story()
    check = next(each for each in outcome.verdict.checks if each.metric == "disagreement")
    assert check.decision is Decision.FAIL
    assert check.candidate == 1.0, check


def test_a_reader_who_got_the_candidate_keeps_it_as_the_share_grows(site: Site) -> None:
    with readers(site, headers=lambda number: {"x-reader-bucket": str(number % 100)}) as load:
        new = site.model()
        step = site.roll(new, policy=POLICY.model_copy(update={"min_requests": 80}))
        site.weighs(50)
        load.wait_for(300)
        abort(site.environment, "topics", actor="test", reason="seen enough", step_key=step)
        moves = site.moves(site.ended(step).generation)
        failed = load.between(moves[0][0]).failed
    assert failed == 0
    assert [weight for _, weight in moves[:3]] == [0, 20, 50]
    kept: set[int] = set()
    for (begin, weight), (end, _) in itertools.pairwise(moves[1:4]):
        seen = [r for r in load.requests if begin + SETTLE <= r.at < end]
        candidates = {r.number % 100 for r in seen if r.version == new.version}
        others = {r.number % 100 for r in seen if r.version != new.version}
        assert not candidates & others, (weight, candidates & others)
        assert kept <= candidates, (weight, kept - candidates)
        assert len(candidates) == weight, (weight, sorted(candidates))
        kept = candidates
