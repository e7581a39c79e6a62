"""What a namespace needs once: the custom resource, the controller, and for whom it is no more rights than needed."""

from __future__ import annotations

from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.manifests import USER
from pressrun.rollout.kubernetes.names import CONTROLLER, CONTROLLER_PORT, GROUP, MANAGED
from pressrun.rollout.kubernetes.resource import definition

SUBMITTER = "pressrun-submitter"
_LABELS = {**MANAGED, "app.kubernetes.io/name": CONTROLLER}
_WRITE = ["get", "list", "create", "patch", "delete"]


def controller_objects(namespace: str, image: str, *, pull_policy: str = "IfNotPresent") -> list[Object]:
    """The CustomResourceDefinition, ServiceAccount, Roles and RoleBindings, Deployment, Service and NetworkPolicy."""
    return [
        definition(),
        _object("v1", "ServiceAccount", CONTROLLER, namespace, {"automountServiceAccountToken": False}),
        _role(CONTROLLER, namespace, _controller_rules()),
        _binding(CONTROLLER, namespace),
        _role(SUBMITTER, namespace, _submitter_rules()),
        _object("v1", "Service", CONTROLLER, namespace, {"spec": _service()}),
        _object("networking.k8s.io/v1", "NetworkPolicy", CONTROLLER, namespace, {"spec": _network()}),
        _object("apps/v1", "Deployment", CONTROLLER, namespace, {"spec": _deployment(image, pull_policy)}),
    ]


def _controller_rules() -> list[Object]:
    """Only what the keepers call, in one namespace; never Secrets, never exec."""
    return [
        _rule(GROUP, ["rollouts"], ["get", "list", "update"]),
        _rule(GROUP, ["rollouts/status"], ["update"]),
        _rule("apps", ["deployments"], _WRITE),
        _rule("apps", ["deployments/scale"], ["patch"]),
        _rule("", ["services"], _WRITE),
        _rule("policy", ["poddisruptionbudgets"], _WRITE),
        _rule("autoscaling", ["horizontalpodautoscalers"], _WRITE),
        _rule("networking.k8s.io", ["networkpolicies"], ["get", "create", "patch"]),
        _rule("gateway.networking.k8s.io", ["httproutes"], ["get", "create", "patch"]),
        _rule("", ["pods", "events"], ["get", "list"]),
        _rule("", ["pods/log"], ["get"]),
        _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
    ]


def _submitter_rules() -> list[Object]:
    """What Airflow's account needs to submit, watch and step in."""
    return [
        _rule(GROUP, ["rollouts"], ["get", "list", "create", "update"]),
        _rule("coordination.k8s.io", ["leases"], ["get"]),
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _object(api_version: str, kind: str, name: str, namespace: str, more: Object) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": dict(_LABELS)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def _role(name: str, namespace: str, rules: list[Object]) -> Object:
    return _object("rbac.authorization.k8s.io/v1", "Role", name, namespace, {"rules": rules})


def _binding(name: str, namespace: str) -> Object:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    more = {"roleRef": role, "subjects": [subject]}
    return _object("rbac.authorization.k8s.io/v1", "RoleBinding", name, namespace, more)


def _service() -> Object:
    port = {"name": "http", "port": CONTROLLER_PORT, "targetPort": "http", "protocol": "TCP"}
    return {"selector": dict(_LABELS), "ports": [port]}


def _network() -> Object:
    """Its probes and its servers may come in; it goes out to the API server, the gateway's counts and its servers."""
    servers = {"podSelector": {"matchLabels": dict(MANAGED)}}
    ingress = [{"from": [servers], "ports": [{"port": CONTROLLER_PORT, "protocol": "TCP"}]}]
    return {"podSelector": {"matchLabels": dict(_LABELS)}, "policyTypes": ["Ingress"], "ingress": ingress}


def _deployment(image: str, pull_policy: str) -> Object:
    names = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    container = {
        "name": "controller",
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["python", "-m", "pressrun.rollout.kubernetes"],
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in names.items()],
        "ports": [{"name": "http", "containerPort": CONTROLLER_PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "serviceAccountName": CONTROLLER,
        "automountServiceAccountToken": True,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    template = {"metadata": {"labels": dict(_LABELS)}, "spec": pod}
    return {"replicas": 1, "selector": {"matchLabels": dict(_LABELS)}, "template": template}
