"""What a namespace needs once: the custom resource, the controller, and for whom it is no more rights than needed."""

from __future__ import annotations

from pressrun.config.environment import GatewayMetrics, Kubernetes
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.manifests import DNS, SECURE, pod_security, port_of, probe
from pressrun.rollout.kubernetes.names import CONTROLLER, CONTROLLER_PORT, GROUP, MANAGED, PORT
from pressrun.rollout.kubernetes.resource import definition

SUBMITTER, DENY = "pressrun-submitter", "pressrun-default-deny"
_LABELS = {**MANAGED, "app.kubernetes.io/name": CONTROLLER}
# Of an API server: its Service's, and the one behind it that most clusters have.
_API_PORTS = (443, 6443)


def controller_objects(namespace: str, kubernetes: Kubernetes) -> list[Object]:
    """The CustomResourceDefinition, ServiceAccount, Roles and RoleBinding, Service, NetworkPolicies and Deployment."""
    image, deploy = kubernetes.controller_image, kubernetes.deploy
    return [
        definition(),
        _object("v1", "ServiceAccount", CONTROLLER, namespace, {"automountServiceAccountToken": False}),
        _role(CONTROLLER, namespace, _controller_rules()),
        _binding(CONTROLLER, namespace),
        _role(SUBMITTER, namespace, submitter_rules()),
        _object("v1", "Service", CONTROLLER, namespace, {"spec": _service()}),
        _object("networking.k8s.io/v1", "NetworkPolicy", DENY, namespace, {"spec": _nothing()}),
        _object(
            "networking.k8s.io/v1", "NetworkPolicy", CONTROLLER, namespace, {"spec": _network(deploy.gateway.metrics)}
        ),
        _object("apps/v1", "Deployment", CONTROLLER, namespace, {"spec": _deployment(image, deploy.pull_policy)}),
    ]


def _controller_rules() -> list[Object]:
    """Only what the keepers call, in one namespace; never Secrets, never exec."""
    return [
        _rule(GROUP, ["rollouts"], ["get", "list", "update"]),
        _rule(GROUP, ["rollouts/status"], ["update"]),
        _rule("apps", ["deployments"], ["list", "create", "patch", "delete"]),
        _rule("", ["services"], ["get", "list", "create", "patch", "delete"]),
        _rule("policy", ["poddisruptionbudgets"], ["create", "patch", "delete"]),
        _rule("autoscaling", ["horizontalpodautoscalers"], ["get", "create", "patch", "delete"]),
        _rule("networking.k8s.io", ["networkpolicies"], ["create", "patch"]),
        _rule("gateway.networking.k8s.io", ["httproutes"], ["get", "create", "patch"]),
        _rule("", ["pods", "events"], ["list"]),
        _rule("", ["pods/log"], ["get"]),
        # What is not there yet has no name to hold a right to make it against.
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        _lease(["get", "update"]),
    ]


def submitter_rules() -> list[Object]:
    """What Airflow's account needs to submit, watch and step in."""
    return [
        _rule(GROUP, ["rollouts"], ["get", "list", "create", "update"]),
        _lease(["get"]),
    ]


def _lease(verbs: list[str]) -> Object:
    return {**_rule("coordination.k8s.io", ["leases"], verbs), "resourceNames": [CONTROLLER]}


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


def _nothing() -> Object:
    """For every pod of ours, whatever has no policy of its own yet; pods of others in the namespace are theirs."""
    return {"podSelector": {"matchLabels": dict(MANAGED)}, "policyTypes": ["Ingress", "Egress"]}


def _network(metrics: GatewayMetrics | None) -> Object:
    """Its probes and its servers may come in; it goes out to the API server, the gateway's counts and its servers."""
    servers = {"podSelector": {"matchLabels": dict(MANAGED)}}
    ingress = [{"from": [servers], "ports": [{"port": CONTROLLER_PORT, "protocol": "TCP"}]}]
    # An API server and a gateway's metrics are no pods that a selector could name for every cluster.
    anywhere = sorted({*_API_PORTS, *([port_of(metrics.url)] if metrics else [])})
    egress = [
        {"to": [servers], "ports": [{"port": PORT, "protocol": "TCP"}]},
        {"ports": DNS},
        {"ports": [{"port": port, "protocol": "TCP"} for port in anywhere]},
    ]
    selected = {"podSelector": {"matchLabels": dict(_LABELS)}, "policyTypes": ["Ingress", "Egress"]}
    return {**selected, "ingress": ingress, "egress": egress}


def _deployment(image: str, pull_policy: str) -> Object:
    pod = {
        "serviceAccountName": CONTROLLER,
        "automountServiceAccountToken": True,
        "securityContext": pod_security(),
        "containers": [_container(image, pull_policy)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    template = {"metadata": {"labels": dict(_LABELS)}, "spec": pod}
    return {"replicas": 1, "selector": {"matchLabels": dict(_LABELS)}, "template": template}


def _container(image: str, pull_policy: str) -> Object:
    names = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    return {
        "name": "controller",
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["python", "-m", "pressrun.rollout.kubernetes"],
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in names.items()],
        "ports": [{"name": "http", "containerPort": CONTROLLER_PORT, "protocol": "TCP"}],
        "readinessProbe": probe("/healthz", period=2, failures=3),
        "livenessProbe": probe("/healthz", period=10, failures=3),
        "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": SECURE,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
