"""People at the cluster during a rollout: they step in by kubectl, edit the route, and set fields of their own."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pressrun.rollout import status
from pressrun.rollout.kubernetes.cluster import Stale
from pressrun.rollout.kubernetes.dry_run import dry_run, not_enforced
from pressrun.rollout.kubernetes.route import ROUTE_API
from pressrun.rollout.types import Outcome, Phase
from pressrun.verdict import Check, Decision
from tests.kubernetes.incidents import incident
from tests.kubernetes.load import LoadClient
from tests.kubernetes.site import LONG, Site

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

# A middle step that lasts until somebody has stepped in.
UNHURRIED = LONG.model_copy(update={"steps": [20, 50, 100]})
CLUSTER = str(Path(__file__).parents[1] / "cluster" / "cluster")
KINDS = (
    ("Deployment", "apps/v1"), ("Service", "v1"), ("PodDisruptionBudget", "policy/v1"), ("HTTPRoute", ROUTE_API),
    ("NetworkPolicy", "networking.k8s.io/v1"), ("Rollout", "pressrun.dev/v1"),
)  # fmt: skip


def kubectl(site: Site, *arguments: str) -> str:
    command = [CLUSTER, "kubectl", "-n", site.namespace, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def annotate(site: Site, wish: str, said: str) -> None:
    kubectl(site, "annotate", "rollout", "topics", f"pressrun.dev/{wish}={said}")


def check(outcome: Outcome, metric: str) -> Check:
    return next(each for each in outcome.verdict.checks if each.metric == metric)


def route(site: Site) -> dict:
    found = site.api.get("HTTPRoute", "topics", version=ROUTE_API)
    assert found is not None
    return found


def divided(site: Site, share: int) -> list:
    """The route's rules once they give the candidate this share (percent): the record says so before the route does."""
    site.until(lambda record: share in [each["weight"] for each in route(site)["spec"]["rules"][-1]["backendRefs"]])
    return route(site)["spec"]["rules"]


def edited(site: Site, rules: list) -> None:
    """As `kubectl edit` does: what the controller wrote meanwhile is read again."""
    for _ in range(5):
        with suppress(Stale):
            found = route(site)
            site.api.replace({**found, "spec": {**found["spec"], "rules": rules}})
            return
    raise AssertionError("the route is written all the time")


def mended_in(site: Site, rules: list, edit: list, *, seconds: float = 8.0) -> float:
    """Seconds until the route's rules are what they were, after they were made `edit`."""
    edited(site, edit)
    started = time.monotonic()
    site.until(lambda record: route(site)["spec"]["rules"] == rules, seconds=seconds)
    return time.monotonic() - started


def test_a_route_edited_by_hand_is_put_right_within_seconds(site: Site, load: LoadClient) -> None:
    old, since = site.champion, time.time()
    step = site.roll(site.model(), policy=LONG)
    generation = site.weighs(20).plan.generation
    rules = divided(site, 20)
    *sticky, split = rules
    turned = [{**each, "weight": 100 - each["weight"]} for each in split["backendRefs"]]
    seconds = [mended_in(site, rules, [*sticky, {**split, "backendRefs": turned}]), mended_in(site, rules, [split])]
    assert max(seconds) < 5, seconds
    assert len(site.told(generation, "mended")) == 2, site.story()
    outcome = site.ended(step)
    found = incident(
        load, fault="the route edited by hand, twice", end=outcome.phase.value, moves=site.moves(generation),
        champion=old.version, since=since, seconds=max(seconds), which="edit to the route put right",
    )  # fmt: skip
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, found
    mended_in(site, route(site)["spec"]["rules"], [{**split, "backendRefs": split["backendRefs"][:1]}])


def test_a_person_pauses_resumes_and_promotes_by_kubectl(site: Site, load: LoadClient) -> None:
    since = time.time()
    step = site.roll(site.model(), policy=UNHURRIED)
    generation = site.weighs(20).plan.generation
    annotate(site, "pause", "ann: the desk is in a meeting")
    site.until(lambda record: record.state.paused_at, seconds=30)
    load.wait_for(500)
    assert site.record().state.weights == {"candidate": 20, "champion": 80}, site.story()
    assert "paused" in kubectl(site, "get", "rollouts")
    annotate(site, "resume", "ann: it is over")
    site.weighs(50, seconds=60)
    annotate(site, "promote", "ann: it is needed for the election")
    outcome = site.ended(step)
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert check(outcome, "promoted").reason == "promoted by ann: it is needed for the election"
    assert load.between(since).failed == 0
    said = site.told(generation, "intent")
    assert [words.partition(":")[0] for words in said] == ["pause by ann", "resume by ann", "promote by ann"]
    rollout = site.api.get("Rollout", "topics", version="pressrun.dev/v1")
    assert not rollout["metadata"].get("annotations"), "what was heard is taken off"


def test_an_abort_by_kubectl_leaves_others_fields_as_they_were(site: Site, load: LoadClient) -> None:
    generation = site.record().champion_generation
    champion, since = f"topics-g{generation}", time.time()
    kubectl(site, "scale", "deployment", champion, "--replicas=3")
    for kind, name in (("deployment", champion), ("httproute", "topics")):
        kubectl(site, "label", kind, name, "team=news")
        kubectl(site, "annotate", kind, name, "news.example/pager=desk")
    step = site.roll(site.model(), policy=LONG)
    site.weighs(20)
    annotate(site, "abort", "ann: readers complain")
    outcome = site.ended(step)
    load.wait_for(100)
    found = incident(
        load, fault="abort by kubectl", end="rolled back", moves=site.moves(outcome.generation),
        champion=site.champion.version, since=since, seconds=outcome.back_seconds, which="decision to weight 0",
    )  # fmt: skip
    assert (outcome.phase, outcome.aborted) == (Phase.ROLLED_BACK, True), site.story()
    assert "aborted by ann: readers complain" in outcome.verdict.notes
    assert found.failed == 0, found
    deployment = site.api.get("Deployment", champion, version="apps/v1")
    assert deployment["spec"]["replicas"] == 3
    for found_object in (deployment, route(site)):
        assert found_object["metadata"]["labels"]["team"] == "news"
        assert found_object["metadata"]["annotations"]["news.example/pager"] == "desk"
    kubectl(site, "scale", "deployment", champion, "--replicas=2")


def test_a_dry_run_says_what_would_be_and_changes_nothing(site: Site) -> None:
    plan = site.plan("dry", site.model(), site.champion)
    before = versions(site)
    changes = dry_run(site.api, plan, status(site.environment, "topics"))
    assert versions(site) == before
    verbs = {(change.kind, change.verb) for change in changes}
    assert {("Deployment", "create"), ("HTTPRoute", "change"), ("NetworkPolicy", "keep")} <= verbs, verbs
    assert f"+        - {plan.candidate.digest}" in next(c.diff for c in changes if c.kind == "Deployment")
    reported = " ".join(not_enforced(site.api))
    assert "HorizontalPodAutoscaler" in reported
    assert "NetworkPolicy" in reported
    assert "Pod Security" not in reported


def versions(site: Site) -> dict[tuple[str, str], str]:
    found = [(kind, body) for kind, version in KINDS for body in site.api.find(kind, {}, version=version)]
    return {(kind, b["metadata"]["name"]): str(b["metadata"].get("generation")) + str(b["spec"]) for kind, b in found}


def test_a_force_promotes_whatever_the_checks_say_and_is_loud(site: Site) -> None:
    for model, reason in ((site.model(wrong=True), "the old model is worse"), (site.model(), "it was not")):
        step = site.roll(model)
        annotate(site, "force", f"ann: {reason}")
        outcome = site.ended(step)
        assert outcome.phase is Phase.PROMOTED, site.story()
        forced = check(outcome, "forced")
        assert (forced.decision, forced.required) == (Decision.FAIL, False)
        assert forced.reason == f"forced by ann: {reason}"
