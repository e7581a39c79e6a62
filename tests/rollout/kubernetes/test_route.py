"""How a model's traffic is divided in a cluster, and that every edit by others is seen."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.config.environment import Deploy, Gateway
from pressrun.rollout.kubernetes.route import as_written, traffic_object, weights_of
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION

GENERATIONS = {CHAMPION: 3, CANDIDATE: 7}
WEIGHTS = {CANDIDATE: 25, CHAMPION: 75}


def deploy(**more: Any) -> Deploy:
    return Deploy(server_image="s", fetch_image="f", tracking_uri="http://mlflow:5000", **more)


def route(weights: dict[str, int] = WEIGHTS, generations: dict[str, int] = GENERATIONS, **more: Any) -> dict[str, Any]:
    return traffic_object("topics", weights, generations, deploy(**more), "news")


def test_weights_are_read_back_as_they_were_written() -> None:
    assert weights_of(route(), "topics", GENERATIONS) == WEIGHTS
    assert as_written(route(), route())


@pytest.mark.parametrize(
    "edit",
    [
        lambda spec: spec.pop("parentRefs"),
        lambda spec: spec.update(parentRefs=[{"name": "another"}]),
        lambda spec: spec.update(rules=[]),
        lambda spec: spec.pop("rules"),
        lambda spec: spec["rules"].pop(0),
        lambda spec: spec["rules"][-1]["backendRefs"][0].update(weight=90),
        lambda spec: spec["rules"][-1]["backendRefs"][0].update(port=9999),
        lambda spec: spec["rules"][-1]["backendRefs"][0].update(name="elsewhere"),
        lambda spec: spec["rules"][-1]["matches"][0]["path"].update(type="Exact", value="/nothing"),
        lambda spec: spec["rules"][0]["matches"][0]["headers"][0].update(value="^1$"),
        lambda spec: spec["rules"][-1].update(filters=[{"type": "RequestRedirect"}]),
        lambda spec: spec.update(hostnames=["elsewhere.example"]),
        lambda spec: spec.clear(),
    ],
)
def test_an_edit_by_hand_is_seen_whatever_it_is(edit: Callable[[dict[str, Any]], object]) -> None:
    found = copy.deepcopy(route())
    edit(found["spec"])
    assert not as_written(found, route())
    weights_of(found, "topics", GENERATIONS)


def test_what_others_add_beside_is_left_alone() -> None:
    found = copy.deepcopy(route())
    found["metadata"]["labels"]["team"] = "news"
    found["spec"]["rules"][-1]["timeouts"] = {"request": "10s"}
    assert as_written(found, route())


@given(share=st.integers(1, 49), generation=st.integers(1, 500))
def test_every_bucket_keeps_exactly_one_arm(share: int, generation: int) -> None:
    generations = {CHAMPION: 1, BASELINE: generation, CANDIDATE: generation}
    weights = {CANDIDATE: share, BASELINE: share, CHAMPION: 100 - 2 * share}
    rules = route({arm: weight for arm, weight in weights.items() if weight}, generations)["spec"]["rules"][:-1]
    patterns = [rule["matches"][0]["headers"][0]["value"] for rule in rules]
    taken = [[bucket for bucket in range(100) if re.match(pattern, str(bucket))] for pattern in patterns]
    assert sorted(bucket for buckets in taken for bucket in buckets) == list(range(100))
    assert [len(buckets) for buckets in taken] == [weight for weight in weights.values() if weight]


def test_models_that_share_a_host_are_told_apart_by_path_and_one_with_its_own_host_has_all_of_it() -> None:
    shared = route()["spec"]["rules"][-1]["matches"][0]["path"]["value"]
    own = route(gateway=Gateway(hostnames=["{model}.models.example"]))["spec"]
    assert shared == "/v2/models/topics"
    assert own["hostnames"] == ["topics.models.example"]
    assert own["rules"][-1]["matches"][0]["path"]["value"] == "/"


def test_by_replicas_one_arm_is_selected_by_its_generation_and_several_by_the_model() -> None:
    alone = route({CHAMPION: 100}, split="replicas")
    both = route(split="replicas")
    assert weights_of(alone, "topics", GENERATIONS) == {CHAMPION: 100}
    assert set(weights_of(both, "topics", GENERATIONS)) == {CHAMPION, CANDIDATE}
    edited = copy.deepcopy(both)
    edited["spec"].pop("selector")
    assert not as_written(edited, both)
