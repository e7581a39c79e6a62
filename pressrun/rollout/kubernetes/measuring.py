"""What a rollout in a cluster measures: the gateway's counters by arm, and what servers saw of shadowed requests."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pressrun.config.environment import Deploy
from pressrun.rollout.analysis import judge
from pressrun.rollout.counters import Reading, window_of
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.kubernetes.names import PORT, arm_name
from pressrun.rollout.kubernetes.scraping import (
    GATEWAY,
    SHADOW,
    NotRead,
    feature_rows,
    gateway_reading,
    read,
    server_reading,
)
from pressrun.rollout.kubernetes.seeing import Look, Pod
from pressrun.rollout.split import ALL, candidate_share
from pressrun.rollout.types import (
    BASELINE,
    CANDIDATE,
    CHAMPION,
    MEASURED,
    Phase,
    RolloutPlan,
    RolloutRecord,
    RolloutState,
    Traffic,
)
from pressrun.rollout.windows import DISAGREEMENT, ERRORS, Window
from pressrun.verdict import Assertion, Check, Decision

MOST_PAST = 40
ENOUGH_ROWS, ENOUGH_REQUESTS = 50, 20
MOST_UNANSWERED = 0.1
_log = logging.getLogger(__name__)
_readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="reading")


class Measured:
    """One round of readings. A source that did not answer is left out, and makes up for it at its next reading.

    `alone`: no gateway can compare the arms now, so how servers' shadowed requests were answered is evidence, too.
    """

    def __init__(
        self,
        readings: Mapping[str, Reading],
        features: Mapping[int, Mapping[str, tuple[int, int]]],
        *,
        alone: bool = False,
    ) -> None:
        self.readings, self.features, self.alone = readings, features, alone


def measure(
    model: str, seen: Look, plan: RolloutPlan, state: RolloutState, generations: Mapping[str, int], namespace: str
) -> Measured:
    """Asks the gateway and every server of the rollout."""
    assert plan.deploy is not None
    texts = dict(zip(seen.pods, _readers.map(_metrics_of, seen.pods), strict=True))
    said = {pod: text for pod, text in texts.items() if text}
    alone = candidate_share(plan, state) == ALL or plan.split == "replicas"
    found = [*_servers(model, said, plan.generation), _gateway(model, plan.deploy, generations, namespace)]
    # A baseline's servers have the candidate's generation, and the champion's features.
    features = _features(model, [text for pod, text in said.items() if pod.role != BASELINE])
    return Measured({one.source: one for one in found if one and one.arms}, features, alone=alone)


def _servers(model: str, said: Mapping[Pod, str], rollout: int) -> list[Reading]:
    found = []
    for pod, text in said.items():
        try:
            found.append(server_reading(pod.name, text, rollout=rollout))
        except NotRead as error:
            _log.warning("%s: what %s counted is missing: %s", model, pod.name, error)
    return found


def _features(model: str, texts: Sequence[str]) -> dict[int, dict[str, tuple[int, int]]]:
    try:
        return feature_rows(texts)
    except NotRead as error:
        _log.warning("%s: the counts of features are missing: %s", model, error)
        return {}


def absorbed(record: RolloutRecord, measured: Measured) -> RolloutRecord:
    """The record with what came on since its last readings, and what others reported, as evidence where it measures."""
    plan, state = record.plan, record.state
    if plan is None or state is None:
        return record
    evidence, readings = record.evidence or Evidence(), dict(record.readings)
    for source, reading in measured.readings.items():
        window = _compared(window_of(reading, readings.get(source)), alone=measured.alone)
        if window is not None and _waits(window, state, alone=measured.alone):
            continue
        number = readings[source].number if source in readings else evidence.sequences.get(source, 0)
        if window is not None and _says_something(window, state):
            number = window.sequence
            if window.problem:
                _log.warning("%s: the counters of %s began anew; this window is no evidence", plan.model, source)
            evidence = evidence.take(window, plan.policy)
        readings.pop(source, None)
        readings[source] = reading.model_copy(update={"number": number})
    if state.phase in MEASURED:
        evidence = evidence.caught_up(record.reported, plan.policy)
    # This round's stand last. A pod that did not answer this time is among the few before them.
    kept = dict(list(readings.items())[-(len(measured.readings) + MOST_PAST) :])
    return record.model_copy(update={"evidence": evidence, "readings": kept, "traffic": traffic(evidence)})


def _compared(window: Window | None, *, alone: bool) -> Window | None:
    """Where the gateway compares the arms, servers' shadows say only whether answers agree and who declines."""
    if window is None or alone or not window.source.startswith(SHADOW):
        return window
    return window.model_copy(update={"arms": {}})


def _waits(window: Window, state: RolloutState, *, alone: bool) -> bool:
    """At little traffic one arm may have had no request yet: the gateway's window stays open until both had one.

    How many requests an arm gets is the split's doing and says nothing of how they were answered, so a window that ends
    by it is as fair as one that ends by the clock.
    """
    compares = window.source == GATEWAY and state.phase in MEASURED and not alone and window.problem is None
    return compares and not _says_something(window, state)


def _says_something(window: Window, state: RolloutState) -> bool:
    """A gateway that sends everything to one arm compares nothing; then the servers' shadows do."""
    both = window.arm(CANDIDATE).requests and window.arm(CHAMPION).requests
    return state.phase in MEASURED and bool(window.problem or window.pairs or both)


def checks(record: RolloutRecord, measured: Measured) -> tuple[Check, ...]:
    """What the evidence says, and what no share of good answers excuses; nothing where nothing is measured."""
    plan, state = record.plan, record.state
    if plan is None or state is None or state.phase not in MEASURED or record.evidence is None:
        return ()
    last = state.phase is Phase.BAKING or state.step + 1 >= len(plan.policy.steps)
    hard = [*_unanswered(measured), *_lost_features(measured, plan.generation, record.champion_generation)]
    return (*judge(record.evidence, plan.policy, final=last, step=state.step, expected=plan.expected), *hard)


def requests(evidence: Evidence | None) -> int:
    """The candidate's in the present step."""
    return evidence.step.count(ERRORS, CANDIDATE).of if evidence else 0


def traffic(evidence: Evidence) -> Traffic:
    """All that was measured, for people."""
    counts = {arm: evidence.total.count(ERRORS, arm) for arm in (CHAMPION, CANDIDATE)}
    return Traffic(
        requests={arm: count.of for arm, count in counts.items() if count.of},
        errors={arm: count.bad for arm, count in counts.items() if count.bad},
        pairs=evidence.total.count(DISAGREEMENT, CANDIDATE).of,
    )


def _unanswered(measured: Measured) -> list[Assertion]:
    """Requests that the gateway sent and nobody answered, of those since the gateway began."""
    gateway = measured.readings.get(GATEWAY)
    counters = gateway.arms.get(CANDIDATE) if gateway else None
    if counters is None or counters.requests < ENOUGH_REQUESTS:
        return []
    if counters.unanswered <= MOST_UNANSWERED * counters.requests:
        return []
    words = (
        f"of {counters.requests} requests that the gateway sent to the candidate {counters.unanswered} got no answer"
    )
    return [Assertion(metric="unanswered", value=counters.unanswered, decision=Decision.FAIL, reason=words)]


def _lost_features(measured: Measured, candidate: int, champion: int) -> list[Assertion]:
    """Features that the candidate's servers find zero or absent in every article, and the champion's do not."""
    ours, theirs = measured.features.get(candidate, {}), measured.features.get(champion, {})
    rows = max((of for _, of in ours.values()), default=0)
    if rows < ENOUGH_ROWS:
        return []
    lost = []
    for name, (zero, of) in sorted(theirs.items()):
        mine = ours.get(name)
        if of >= ENOUGH_ROWS and zero < of / 2 and (mine is None or mine[0] == mine[1]):
            lost.append(name)
    words = f"features {', '.join(lost)} are zero or absent in all of {rows} articles, not so at the champion's"
    return [Assertion(metric="features", value=len(lost), decision=Decision.FAIL, reason=words)] if lost else []


def _gateway(model: str, deploy: Deploy, generations: Mapping[str, int], namespace: str) -> Reading | None:
    metrics = deploy.gateway.metrics
    if metrics is None or deploy.split == "replicas":
        return None
    services = {arm_name(model, generation, arm): arm for arm, generation in generations.items()}
    try:
        return gateway_reading(read(metrics.url), metrics, namespace=namespace, services=services)
    except NotRead as error:
        _log.warning("%s: the gateway's counts are missing: %s", model, error)
        return None


def _metrics_of(pod: Pod) -> str:
    if not pod.ip or not pod.ready:
        return ""
    try:
        return read(f"http://{pod.ip}:{PORT}/metrics")
    except NotRead:
        return ""
