"""What readings of a gateway and of servers become: evidence where a rollout measures, and hard checks."""

from __future__ import annotations

import pytest

from pressrun.rollout.evidence import Evidence
from pressrun.rollout.kubernetes import measuring
from pressrun.rollout.kubernetes.measuring import Measured, absorbed, checks, measure, requests
from pressrun.rollout.kubernetes.scraping import NotRead
from pressrun.rollout.kubernetes.seeing import Look, Pod, generations_of
from pressrun.rollout.types import Phase, RolloutRecord
from pressrun.rollout.windows import DISAGREEMENT, ERRORS, OURS, THEIRS
from pressrun.verdict import Decision
from tests.rollout.kubernetes.plans import METRICS, plan_of, under_way

GATEWAY = METRICS.url


def pod(name: str, generation: int, *, role: str = "model", ready: bool = True) -> Pod:
    return Pod(
        name=name, generation=generation, role=role, ip=name, ready=ready, leaving=False, restarts=0, last_end=""
    )  # fmt: skip


def look_of(*pods: Pod) -> Look:
    return Look(deployments={}, addresses={}, pods=pods, traffic=None)


CHAMPIONS, CANDIDATES = pod("c", 1), pod("n", 2)
SEEN = look_of(CHAMPIONS, CANDIDATES)


class Said:
    """What each address says; a number of requests grows from one reading to the next."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def read(self, url: str) -> str:
        if url not in self.texts:
            raise NotRead(f"{url} does not answer")
        return self.texts[url]

    def gateway(self, **requests: int) -> None:
        services = {"champion": "topics-g1", "candidate": "topics-g2", "lost": "topics-g2"}
        codes = {"lost": 502}
        self.texts[GATEWAY] = "".join(
            f'traefik_service_requests_total{{code="{codes.get(arm, 200)}",'
            f'service="news-{services[arm]}-http-8080@kubernetesgateway"}} {number}\n'
            for arm, number in requests.items()
        )

    def server(self, pod: Pod, text: str) -> None:
        self.texts[f"http://{pod.ip}:8080/metrics"] = text


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    found = Said()
    monkeypatch.setattr(measuring, "read", found.read)
    return found


def measured(record: RolloutRecord, seen: Look = SEEN) -> Measured:
    assert record.plan is not None
    assert record.state is not None
    return measure("topics", seen, record.plan, record.state, generations_of(record), "news")


def pairs(arm: str, agree: int, disagree: int = 0, requests: int = 0) -> str:
    name = "pressrun_shadow_pairs_total"
    return (
        f'{name}{{rollout="2",arm="{arm}",agree="true"}} {agree}\n'
        f'{name}{{rollout="2",arm="{arm}",agree="false"}} {disagree}\n'
        + "".join(
            f'pressrun_shadow_requests_total{{rollout="2",arm="{one}",outcome="answered"}} {requests}\n'
            for one in ("champion", "candidate")
        )
    )


def features(generation: int, **rows: tuple[int, int]) -> str:
    return "".join(
        f'pressrun_feature_rows_total{{generation="{generation}",feature="{name}",zero="{zero}"}} {number}\n'
        for name, numbers in rows.items()
        for zero, number in zip(("true", "false"), numbers, strict=True)
    )


def evidence_of(record: RolloutRecord) -> Evidence:
    assert record.evidence is not None
    return record.evidence


def test_the_gateways_counts_since_the_last_reading_are_evidence(said: Said) -> None:
    said.gateway(champion=1000, candidate=50)
    record = absorbed(under_way(), measured(under_way()))
    assert evidence_of(record).total.windows == 0
    said.gateway(champion=1030, candidate=60)
    record = absorbed(record, measured(record))
    total = evidence_of(record).total
    assert (total.count(ERRORS, THEIRS).of, total.count(ERRORS, OURS).of) == (30, 10)
    assert requests(record.evidence) == 10
    assert record.traffic.requests == {"champion": 30, "candidate": 10}
    again = absorbed(record, measured(record))
    assert again.evidence == record.evidence


def test_at_little_traffic_a_window_stays_open_until_both_arms_had_a_request(said: Said) -> None:
    said.gateway(champion=10, candidate=10)
    record = absorbed(under_way(), measured(under_way()))
    said.gateway(champion=40, candidate=10)
    record = absorbed(record, measured(record))
    assert evidence_of(record).total.windows == 0
    said.gateway(champion=45, candidate=11)
    record = absorbed(record, measured(record))
    total = evidence_of(record).total
    assert (total.count(ERRORS, THEIRS).of, total.count(ERRORS, OURS).of) == (35, 1)
    assert (evidence_of(record).total.windows, evidence_of(record).missing) == (1, 0)


def test_a_gateway_that_is_away_says_nothing_and_makes_up_for_it(said: Said) -> None:
    said.gateway(champion=10, candidate=10)
    record = absorbed(under_way(), measured(under_way()))
    del said.texts[GATEWAY]
    record = absorbed(record, measured(record))
    assert record.readings["gateway"].arms["champion"].requests == 10
    said.gateway(champion=40, candidate=20)
    record = absorbed(record, measured(record))
    assert evidence_of(record).total.count(ERRORS, THEIRS).of == 30


@pytest.mark.parametrize("garbage", ["pressrun_shadow_pairs_total{", 'pressrun_feature_rows_total{generation="x"} 1\n'])
def test_a_server_that_says_garbage_is_left_out_and_the_others_are_heard(said: Said, garbage: str) -> None:
    said.gateway(champion=10, candidate=10)
    said.server(CANDIDATES, garbage)
    said.server(CHAMPIONS, pairs("candidate", 3))
    found = measured(under_way())
    assert found.readings.keys() >= {"gateway", "shadow:c"}
    assert "shadow:n" not in found.readings


def test_a_gateway_that_says_garbage_is_away(said: Said) -> None:
    said.gateway(champion=10)
    said.texts[GATEWAY] = said.texts[GATEWAY].replace(" 10", " NaN")
    assert measured(under_way()).readings == {}


def test_while_the_gateway_compares_shadowed_requests_say_only_who_agrees(said: Said) -> None:
    record = under_way()
    for agree, asked in ((0, 0), (7, 10)):
        said.gateway(champion=10 + agree, candidate=10 + agree)
        said.server(CHAMPIONS, pairs("candidate", agree, 3, requests=asked))
        record = absorbed(record, measured(record))
    total = evidence_of(record).total
    assert total.count(DISAGREEMENT, OURS).of == 7
    assert total.count(ERRORS, THEIRS).of == total.count(ERRORS, OURS).of == 7


def test_in_the_bake_shadows_count_from_the_bakes_begin(said: Said) -> None:
    """What was shadowed before is not one window of a thousand requests now."""
    said.server(CHAMPIONS, pairs("candidate", 900, requests=1000))
    record = absorbed(under_way(), measured(under_way()))
    baking = record.model_copy(update={"state": under_way(Phase.BAKING, step=2).state})
    said.server(CHAMPIONS, pairs("candidate", 905, requests=1005))
    record = absorbed(baking, measured(baking))
    total = evidence_of(record).total
    assert (total.count(ERRORS, OURS).of, total.count(ERRORS, THEIRS).of) == (5, 5)
    assert total.windows == 1


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.PROMOTING, Phase.ROLLING_BACK])
def test_outside_of_steps_and_bake_readings_go_on_and_nothing_is_evidence(said: Said, phase: Phase) -> None:
    record = under_way(phase)
    for number in (10, 30):
        said.gateway(champion=number, candidate=number)
        record = absorbed(record, measured(record))
    assert evidence_of(record).total.windows == 0
    assert record.readings["gateway"].arms["champion"].requests == 30
    assert checks(record, measured(record)) == ()


def test_a_gateway_that_began_anew_is_noted_and_no_evidence(said: Said) -> None:
    record = under_way()
    for number in (50, 20):
        said.gateway(champion=number, candidate=number)
        record = absorbed(record, measured(record))
    assert (evidence_of(record).reset, evidence_of(record).total.windows) == (1, 0)


def unanswered(said: Said) -> None:
    said.gateway(champion=90, candidate=20, lost=10)


def lost_feature(said: Said) -> None:
    said.server(CHAMPIONS, features(1, words=(0, 60), clicks=(10, 50)))
    said.server(CANDIDATES, features(2, words=(0, 60), clicks=(60, 0)))


FAILING = {"unanswered": unanswered, "features": lost_feature}


@pytest.mark.parametrize("metric", FAILING)
def test_what_no_share_of_good_answers_excuses_fails(said: Said, metric: str) -> None:
    FAILING[metric](said)
    record = absorbed(under_way(), measured(under_way()))
    failed = [check.metric for check in checks(record, measured(record)) if check.decision is Decision.FAIL]
    assert failed == [metric]


def test_few_rows_and_few_requests_fail_nothing(said: Said) -> None:
    said.gateway(champion=90, candidate=3, lost=9)
    said.server(CHAMPIONS, features(1, clicks=(0, 60)))
    said.server(CANDIDATES, features(2, clicks=(40, 0)))
    record = absorbed(under_way(), measured(under_way()))
    assert not [c for c in checks(record, measured(record)) if c.decision is Decision.FAIL]


def test_a_baselines_features_do_not_hide_what_the_candidate_lost(said: Said) -> None:
    """Both were made by one generation."""
    base = pod("b", 2, role="baseline")
    record = under_way(plan=plan_of(baseline=True))
    said.server(CHAMPIONS, features(1, clicks=(0, 60)))
    said.server(CANDIDATES, features(2, clicks=(60, 0)))
    said.server(base, features(2, clicks=(0, 60)))
    found = measured(record, look_of(CHAMPIONS, CANDIDATES, base))
    assert [c.metric for c in checks(absorbed(record, found), found) if c.decision is Decision.FAIL] == ["features"]


def test_pods_that_are_not_ready_are_not_asked(said: Said) -> None:
    waiting = pod("w", 2, ready=False)
    said.server(waiting, pairs("champion", 4))
    assert measured(under_way(), look_of(waiting)).readings == {}


def test_readings_of_pods_that_came_and_went_do_not_pile_up(said: Said) -> None:
    record = under_way()
    for number in range(60):
        passing = pod(f"p{number}", 2)
        said.server(passing, pairs("champion", 4))
        record = absorbed(record, measured(record, look_of(passing)))
    assert len(record.readings) == 1 + measuring.MOST_PAST


def test_every_one_of_many_pods_counts(said: Said) -> None:
    pods, record = [pod(f"p{number}", 2) for number in range(100)], under_way()
    for number in (4, 9):
        for one in pods:
            said.server(one, pairs("champion", number))
        record = absorbed(record, measured(record, look_of(*pods)))
    assert len(record.readings) == len(pods)
    assert record.traffic.pairs == 5 * len(pods)
