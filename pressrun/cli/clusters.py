"""`pressrun controller` and `pressrun rollout --dry-run`: what stands in a cluster, and what would."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pressrun.cli.options import EnvironmentName
from pressrun.cli.terminal import err, out

if TYPE_CHECKING:
    from pressrun.config.environment import Cluster, Environment, Kubernetes
    from pressrun.rollout.kubernetes.dry_run import Change
    from pressrun.rollout.types import RolloutPlan

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def controller(
    environment: EnvironmentName = None,
    apply: Annotated[bool, typer.Option("--apply", help="write them to the environment's clusters")] = False,
) -> None:
    """Prints what a namespace needs to roll models out by itself, for `kubectl apply -f -`, or writes it there.

    The custom resource, the controller, its rights and those of whoever submits.
    """
    import yaml

    from pressrun.config.load import load_environment
    from pressrun.rollout.kubernetes.install import controller_objects
    from pressrun.rollout.records import api_of

    kubernetes = kubernetes_of(load_environment(environment))
    if apply:
        _refuse(_without_namespace(place) for place in kubernetes.clusters)
    for place in kubernetes.clusters:
        objects = controller_objects(place.namespace, kubernetes)
        if not apply:
            out.print(
                yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True),
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            continue
        for body in objects:
            api_of(place).apply(body)
            err.print(f"{place.name}: {body['kind']} {body['metadata']['name']}", style="dim", soft_wrap=True)
        out.print(
            f"{place.name}: the controller is there; see: kubectl -n {place.namespace} get rollouts", soft_wrap=True
        )


def ship(
    spool: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="the volume that servers write to")],
    environment: EnvironmentName = None,
    every: Annotated[float, typer.Option(min=0.1, help="seconds")] = 3.0,
) -> None:
    """Brings the predictions that servers in a cluster have spooled into the lake, each once, until stopped."""
    from pressrun.config.load import load_environment
    from pressrun.rollout.shipping import ship_all
    from pressrun.step import open_lake

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    lake = open_lake(load_environment(environment))
    err.print(f"predictions from {spool} into {lake.root}, until Ctrl-C", style="dim", highlight=False)
    while True:
        ship_all(lake, spool)
        time.sleep(every)


def tell_dry_run(environment: Environment, plan: RolloutPlan) -> None:
    """Each object that the rollout would write, as a diff against what is there, cluster by cluster."""
    from pressrun.rollout.kubernetes.dry_run import dry_run, not_enforced
    from pressrun.rollout.records import api_of, records_at

    for place in kubernetes_of(environment).clusters:
        api, records = api_of(place), records_at(environment, place.name)
        out.print(f"cluster {place.name}, namespace {place.namespace}", style="bold", highlight=False)
        for change in dry_run(api, plan, records.read(plan.model)):
            _tell(change)
        for words in not_enforced(api):
            out.print(f"not enforced there: {words}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    out.print("Nothing was written.", highlight=False)


def refuse_bare(environment: Environment, *, said: str = "") -> None:
    """Raises ValueError where a cluster lacks the namespace or the custom resource, with the commands that bring it.

    `said` is what is known already, and goes before.
    """
    if environment.kubernetes is not None:
        places = environment.kubernetes.clusters
        _refuse((_without_namespace(place) or _without_resource(place) for place in places), said=said)


def _refuse(lacking: Iterable[str], *, said: str = "") -> None:
    if words := [one for one in lacking if one]:
        raise ValueError("\n".join([said, *words] if said else words))


def _without_namespace(place: Cluster) -> str:
    """Empty, too, where it cannot be told: for whoever may not look at namespaces, and of a cluster that is away."""
    from pressrun.rollout.kubernetes.cluster import Refused, Unreachable
    from pressrun.rollout.records import api_of

    try:
        there = api_of(place).get("Namespace", place.namespace) is not None
    except (Refused, Unreachable):
        return ""
    create = f"`kubectl create namespace {place.namespace}`"
    label = f"`kubectl label namespace {place.namespace} pod-security.kubernetes.io/enforce=restricted`"
    remedy = f"{create} and {label}, then `pressrun controller --apply`"
    return "" if there else f"cluster {place.name} has no namespace {place.namespace}: {remedy}"


def _without_resource(place: Cluster) -> str:
    from pressrun.rollout.kubernetes.cluster import Refused, Unreachable
    from pressrun.rollout.kubernetes.resource import API_VERSION, KIND
    from pressrun.rollout.records import api_of

    try:
        api = api_of(place)
    except Refused:
        return ""
    try:
        api.kinds_of(KIND, API_VERSION)
    except Unreachable:
        return ""
    except Refused:
        return f"cluster {place.name} does not know what a {KIND} is: `pressrun controller --apply` brings it there"
    return ""


def kubernetes_of(environment: Environment) -> Kubernetes:
    """The environment's clusters. Raises ValueError where it has none."""
    if environment.kubernetes is None:
        remedy = "name one that has a section kubernetes with --environment, or add it to its file"
        raise ValueError(f"environment {environment.name} serves models by processes, not in a cluster: {remedy}")
    return environment.kubernetes


def _tell(change: Change) -> None:
    out.print(f"{change.verb:<7}{change.kind} {change.name}", highlight=False, markup=False)
    for line in change.diff.splitlines():
        out.print(f"  {line}", style=_COLOURS.get(line[:1], "dim"), markup=False, highlight=False, soft_wrap=True)
