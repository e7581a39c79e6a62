"""What a cluster lacks is said with the command that mends it, and before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config import load as config
from pressrun.config.environment import Cluster, Environment, Kubernetes
from pressrun.rollout import records
from pressrun.rollout.kubernetes.cluster import Object, Refused, Unreachable
from tests.rollout.kubernetes.cluster_in_memory import ClusterInMemory
from tests.rollout.kubernetes.plans import DEPLOY

ANN = ["--by", "ann", "--reason", "lunch"]


class Bare(ClusterInMemory):
    """A cluster whose kinds may be missing."""

    defined = True

    def kinds_of(self, kind: str, version: str) -> Any:
        if not self.defined:
            raise Refused(f"the cluster has no {kind} of {version}: install what defines it first")

    def get(self, kind: str, name: str, *, version: str = "v1") -> Object | None:
        if kind == "Rollout":
            self.kinds_of(kind, version)
        return super().get(kind, name, version=version)


@pytest.fixture
def cluster(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bare]:
    section = Kubernetes(clusters=[Cluster(name="east", namespace="news")], deploy=DEPLOY, controller_image="c:1")
    place = environment.model_copy(update={"kubernetes": section})
    monkeypatch.setattr(config, "load_environment", lambda name=None: place)
    found = Bare("news")
    records._connected.clear()
    monkeypatch.setattr(records, "_connect", lambda place: found)
    yield found
    records._connected.clear()


def test_a_controller_is_not_written_into_a_namespace_that_is_missing(cli: CliRunner, cluster: Bare) -> None:
    result = cli.invoke(app, ["controller", "--apply"])
    assert (result.exit_code, "kubectl create namespace news" in result.output) == (2, True), result.output
    assert "kubectl label namespace news pod-security.kubernetes.io/enforce=restricted" in result.output
    assert cluster.calls == []


def test_a_controller_is_written_into_a_namespace_that_is_there(cli: CliRunner, cluster: Bare) -> None:
    cluster.put("Namespace", "news")
    result = cli.invoke(app, ["controller", "--apply"])
    assert result.exit_code == 0, result.output
    assert "Deployment" in {kind for _, kind, _ in cluster.calls}


def test_who_may_not_look_at_namespaces_is_not_kept_from_writing(cli: CliRunner, cluster: Bare) -> None:
    def forbidden(verb: str, kind: str, name: str) -> None:
        if kind == "Namespace":
            raise Refused("the cluster's API answered 403 Forbidden")

    cluster.meanwhile = forbidden
    assert cli.invoke(app, ["controller", "--apply"]).exit_code == 0
    assert cluster.calls


def test_a_pause_says_that_the_namespace_is_missing(cli: CliRunner, cluster: Bare) -> None:
    result = cli.invoke(app, ["pause", "topics", *ANN])
    assert (result.exit_code, "kubectl create namespace news" in result.output) == (2, True), result.output
    cluster.put("Namespace", "news")
    assert "topics has no rollout under way" in cli.invoke(app, ["pause", "topics", *ANN]).output


def test_a_pause_where_nothing_is_installed_names_what_installs_it(cli: CliRunner, cluster: Bare) -> None:
    cluster.put("Namespace", "news")
    cluster.defined = False
    result = cli.invoke(app, ["pause", "topics", *ANN])
    assert (result.exit_code, "pressrun controller --apply" in result.output) == (2, True), result.output


def test_a_cluster_that_is_away_is_told_as_such(cli: CliRunner, cluster: Bare) -> None:
    def away(verb: str, kind: str, name: str) -> None:
        raise Unreachable("the cluster's API does not answer")

    cluster.meanwhile = away
    result = cli.invoke(app, ["pause", "topics", *ANN])
    assert (result.exit_code, "does not answer" in result.output) == (2, True), result.output
    assert "kubectl" not in result.output
