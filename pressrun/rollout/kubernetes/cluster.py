"""A cluster's API as the rollout uses it: objects as plain dictionaries, applied server-side, refused by version."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from typing import Any

import urllib3
from kubernetes import client as api
from kubernetes import config
from kubernetes.client.rest import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, DynamicApiError, NotFoundError, ResourceNotFoundError

from pressrun.config.environment import Cluster as Place
from pressrun.rollout.kubernetes.names import DECIDED, FIELD_MANAGER

Object = dict[str, Any]
TIMEOUT = 10.0


class Stale(Exception):
    """The object changed since it was read; read it again and decide anew."""


class Unreachable(Exception):
    """The cluster's API does not answer; trying again later helps."""


class Refused(Exception):
    """The cluster's API refuses what was asked; its words say why, and trying again does not help."""


class _Client(DynamicClient):  # type: ignore[misc]  # the client has no types
    """Every question has an end, those after the cluster's kinds, too."""

    def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        return super().request(method, path, body, **{"_request_timeout": TIMEOUT, **params})


class ClusterApi:
    """One namespace of one cluster. `client` is any signed-in ApiClient: kubeconfig's, a pod's, or Airflow's hook's."""

    def __init__(self, client: api.ApiClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._dynamic: DynamicClient | None = None

    def get(self, kind: str, name: str, *, version: str = "v1") -> Object | None:
        """The object, or None."""
        try:
            found: Object = self._asked("get", kind, version, name=name)
        except NotFoundError:
            return None
        return found

    def find(self, kind: str, labels: Mapping[str, str], *, version: str = "v1") -> list[Object]:
        """The objects with all of these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found: list[Object] = self._asked("get", kind, version, label_selector=selector)["items"]
        return found

    def apply(self, body: Object, *, dry_run: bool = False) -> Object:
        """Applies our fields of `body` and leaves everybody else's; with a resourceVersion only to that version.

        Raises Stale when the object has another version.
        """
        asked = {"field_manager": FIELD_MANAGER, "force_conflicts": True, "dry_run": "All" if dry_run else None}
        return self._written("server_side_apply", body, **asked)

    def replace(self, body: Object, *, status: bool = False) -> Object:
        """Writes `body`, or its status alone, over the version that it names. Raises Stale when there is another."""
        return self._written("replace", body, status=status)

    def create(self, body: Object) -> Object:
        """Raises Stale when it is there already."""
        return self._written("create", body)

    def scale(self, name: str, replicas: int) -> None:
        """Gives a Deployment so many replicas; whoever scales it later is left alone."""
        body = {"spec": {"replicas": replicas}}
        self._asked("patch", "Deployment", "apps/v1", name=name, body=body, content_type="application/merge-patch+json")

    def mark(self, kind: str, name: str, note: str, *, version: str) -> None:
        """Changes the object's version by an annotation, so that what was decided before is refused.

        Raises Stale when it is gone.
        """
        body = {"metadata": {"annotations": {DECIDED: note}}}
        try:
            self._asked("patch", kind, version, name=name, body=body, content_type="application/merge-patch+json")
        except NotFoundError as error:
            raise Stale(f"{kind} {name} is gone: look again") from error

    def delete(self, kind: str, name: str, *, version: str = "v1", seen: str | None = None) -> None:
        """Deletes the object and what it owns, with `seen` only its version of that name; what is gone is no error.

        Raises Stale when it has another version.
        """
        only = {"preconditions": {"resourceVersion": seen}} if seen else {}
        try:
            self._asked("delete", kind, version, name=name, body={"propagationPolicy": "Background", **only})
        except NotFoundError:
            return
        except ConflictError as error:
            raise Stale(f"{kind} {name} has another version than the one that was seen: look again") from error

    def logs(self, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """The last lines of a container's log; empty where there is none."""
        try:
            answer = api.CoreV1Api(self.client).read_namespaced_pod_log(
                pod, self.namespace, container=container, tail_lines=lines, previous=previous,
                _request_timeout=TIMEOUT, _preload_content=False,
            )  # fmt: skip
        except (ApiException, urllib3.exceptions.HTTPError, OSError):
            return ""
        said: str = answer.data.decode("utf-8", "replace")
        return said

    def kinds_of(self, kind: str, version: str) -> Any:
        """The cluster's resource of that kind. Raises Refused when it has none."""
        try:
            self._dynamic = self._dynamic or _Client(self.client)
            return self._dynamic.resources.get(api_version=version, kind=kind)
        except ResourceNotFoundError as error:
            self._dynamic = None
            raise Refused(f"the cluster has no {kind} of {version}: install what defines it first") from error
        except (DynamicApiError, *_UNREACHABLE, *_NO_API) as error:
            self._dynamic = None
            raise _translated(error) from error

    def _written(self, verb: str, body: Object, **more: Any) -> Object:
        try:
            written: Object = self._asked(verb, body["kind"], body["apiVersion"], body=body, **more)
            return written
        except ConflictError as error:
            named = f"{body['kind']} {body['metadata']['name']}"
            raise Stale(f"{named} has another version than the one that was read: read it again") from error
        except NotFoundError as error:
            raise Refused(f"the cluster has no namespace {self.namespace}, or the object is gone: create it") from error

    def _asked(self, verb: str, kind: str, version: str, *, status: bool = False, **more: Any) -> Any:
        resource = self.kinds_of(kind, version)
        target = resource.status if status else resource
        more = {**more, **({"namespace": self.namespace} if resource.namespaced else {})}
        try:
            return getattr(target, verb)(**more, _request_timeout=TIMEOUT).to_dict()
        except (NotFoundError, ConflictError):
            raise
        except (DynamicApiError, *_UNREACHABLE, AttributeError) as error:
            raise _translated(error) from error


_UNREACHABLE = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
# The client looks for an API's words in whatever a proxy says in its place.
_NO_API = (AttributeError, LookupError, TypeError, ValueError)


def _translated(error: Exception) -> Exception:
    """Overload and failures of the API server pass, as does a proxy's page; what it says no to does not."""
    if not isinstance(error, DynamicApiError):
        kind = "says something else" if isinstance(error, _NO_API) else "does not answer"
        return Unreachable(f"the cluster's API {kind}: {type(error).__name__}")
    words = f"the cluster's API answered {error.status} {error.reason}: {str(error.body)[:600]}"
    passing = error.status in (408, 429) or error.status is None or error.status >= 500
    return Unreachable(words) if passing else Refused(words)


def connect(place: Place) -> ClusterApi:
    """By kubeconfig and context, as kubectl would. Raises Refused when there is no such file or context."""
    # The client reads KUBECONFIG once, when it is imported.
    file = str(place.kubeconfig) if place.kubeconfig else os.environ.get("KUBECONFIG") or None
    try:
        return ClusterApi(config.new_client_from_config(config_file=file, context=place.context), place.namespace)
    except Exception as error:
        # The client parses whatever it is given, and fails by whatever then is missing.
        said = f"{error}" if isinstance(error, config.ConfigException | OSError) else f"it is no kubeconfig: {error}"
        where = file or "the default kubeconfig"
        raise Refused(
            f"cluster {place.name}: {where} does not lead to it ({said}); set kubeconfig and context"
        ) from error


def inside(namespace: str) -> ClusterApi:
    """By the service account of the pod that this runs in, else as kubectl would."""
    try:
        config.load_incluster_config()
    except config.ConfigException:
        config.load_kube_config()
    return ClusterApi(api.ApiClient(), namespace)
