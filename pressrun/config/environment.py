"""Where a pipeline runs: `config/environments/*.yaml`. A pipeline file never names a place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pressrun.config.explain import wrong_at
from pressrun.config.labels import Labels
from pressrun.config.prices import Prices
from pressrun.config.redact import without_userinfo
from pressrun.config.spark import Spark as Spark
from pressrun.config.stages import Pods, Stages


def _database(url: str) -> str:
    backend, separator, rest = url.partition("://")
    kind = backend.partition("+")[0]
    if kind not in ("sqlite", "postgresql") or not separator:
        asked = ". Did you mean postgresql://?" if kind == "postgres" else ""
        raise ValueError(
            f"it is a URL of SQLite or PostgreSQL, as sqlite:////srv/pressrun.db or postgresql://user@host/name{asked}"
        )
    if kind == "sqlite" and rest.strip("/") in ("", ":memory:"):
        raise ValueError("it is shared by processes: name a file, as sqlite:////srv/pressrun.db")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_database)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LakeRetention(_Section):
    """For how many days a table remembers what no registered model needs; what one needs stays as long as it does."""

    log: int = Field(default=365, ge=0, description="versions that can still be named")
    files: int = Field(default=365, ge=0, description="files that no version since then holds")
    transactions: int = Field(default=400, ge=0, description="which steps have committed, told without their rows")


class LakeMirror(_Section):
    """A lake that this one is mirrored to: an erased reader leaves it, too."""

    to: str = Field(description="its root (s3://, gs://, a folder), or an environment by its name")
    storage_options: dict[str, str] = Field(
        default_factory=dict, description="of a root; an environment's file has its own"
    )


class LakeRoot(_Section):
    root: str
    storage_options: dict[str, str] = Field(default_factory=dict)
    retention: LakeRetention = LakeRetention()
    mirrors: list[LakeMirror] = Field(default_factory=list)


class Mlflow(_Section):
    """`tracking_uri` may sign in, as http://user:password@host; `shown_uri` is what links and messages say."""

    tracking_uri: str
    ui_url: str | None = Field(default=None, description="where people's browsers reach it, if by another address")

    @property
    def shown_uri(self) -> str:
        return without_userinfo(self.ui_url or self.tracking_uri)

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password of a server's `tracking_uri`; None where it names none."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme not in ("http", "https") or not parts.username or not parts.password:
            return None
        return unquote(parts.username), unquote(parts.password)


class Serving(_Section):
    """The local rollout target: a router in front of one server process an arm."""

    host: str = "127.0.0.1"
    router_port: int = 8000
    arm_ports: tuple[int, int] = Field(default=(8010, 8029), description="first and last port that arms may take")


class GatewayMetrics(_Section):
    """Where a gateway says how many requests each backend answered, and how fast. The defaults are Traefik's names."""

    url: str = Field(description="its Prometheus endpoint, as the controller's pod reaches it")
    requests: str = "traefik_service_requests_total"
    seconds: str = "traefik_service_request_duration_seconds"
    unit: Literal["seconds", "milliseconds"] = Field(default="seconds", description="of that histogram's bounds")
    code_label: str = "code"
    backend_label: str = "service"
    backend: str = Field(
        default="{namespace}-{service}-http-{port}@kubernetesgateway", description="what the label says of a Service"
    )

    @model_validator(mode="after")
    def _backends_can_be_named(self) -> GatewayMetrics:
        """Else the first rollout finds out, which then cannot be judged."""
        try:
            named = self.backend.format(namespace="", service="{service}", port=0)
        except (LookupError, ValueError, AttributeError):
            named = ""
        if "{service}" not in named:
            reason = "it must hold {service}, and may hold {namespace} and {port}; other braces are none"
            raise wrong_at("backend", reason=reason)
        return self


class Gateway(_Section):
    """The Gateway of the cluster that readers' requests come through; each model gets an HTTPRoute of it."""

    name: str = "pressrun"
    namespace: str | None = Field(default=None, description="by default the models'")
    pods_namespace: str | None = Field(
        default=None, description="of the pods that carry its traffic, which may come in; by default the Gateway's own"
    )
    hostnames: list[str] = Field(default_factory=list)
    metrics: GatewayMetrics | None = None
    sticky_header: str | None = Field(
        default="x-reader-bucket", description="0 to 99, set by the client; null where the gateway has no regex matches"
    )


class Cluster(_Section):
    """One Kubernetes cluster. Airflow reaches it by the connection, a terminal by kubeconfig and context."""

    name: str
    kubernetes_conn_id: str = "kubernetes_default"
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "pressrun"


class Deploy(_Section):
    """How an arm is deployed; it travels with the plan, so that the controller needs no file of ours."""

    server_image: str
    fetch_image: str
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    tracking_uri: str = Field(
        description="MLflow as pods reach it; only the fetching container asks it, and signs in by `secret`"
    )
    split: Literal["weights", "replicas"] = Field(
        default="weights", description="an HTTPRoute's weights, exact; or the number of replicas behind one Service"
    )
    replicas: int = Field(default=2, ge=1, description="of an arm that carries everything")
    max_replicas: int | None = Field(default=None, ge=1, description="with weights: a HorizontalPodAutoscaler up to it")
    cpu: str = "250m"
    memory: str = "512Mi"
    start_within_seconds: int = Field(default=300, ge=1)
    unready_within_seconds: int = Field(default=60, ge=0, description="the candidate may have no ready pod, in all")
    labels: Labels = Field(
        default_factory=dict, description="on every model's objects, beside the environment's labels"
    )
    spool_claim: str | None = Field(default=None, description="PersistentVolumeClaim of the prediction log, shared")
    secret: str | None = Field(default=None, description="Secret whose keys are the fetching container's environment")
    gateway: Gateway = Gateway()


class Kubernetes(_Section):
    """The rollout target in production: one cluster or several; the first one is the first to see a candidate."""

    clusters: list[Cluster] = Field(min_length=1)
    deploy: Deploy
    controller_image: str

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Kubernetes:
        names = [cluster.name for cluster in self.clusters]
        for at, name in enumerate(names):
            if name in names[:at]:
                reason = "another cluster has that name, and one of them would never hear of a rollout; give it its own"
                raise wrong_at("clusters", at, "name", reason=reason)
        return self

    @model_validator(mode="after")
    def _nobody_signs_in_by_the_plan(self) -> Kubernetes:
        """Whoever may read Rollouts and pods would read the password in them."""
        if urlsplit(self.deploy.tracking_uri).username is not None:
            reason = (
                "it holds a user or password, which would stand in every Rollout and pod; take them out, put "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD into a Secret and name it in deploy.secret"
            )
            raise wrong_at("deploy", "tracking_uri", reason=reason)
        return self


class Environment(_Section):
    """`home` holds what is local: the lake of a laptop, the operational database, rollout records, reports."""

    name: str
    home: Path
    lake: LakeRoot
    database: DatabaseUrl = Field(description="SQLAlchemy URL of the operational database")
    landing: str = Field(description="new articles are in <landing>/<model>/, unless articles.read.path is set")
    mlflow: Mlflow
    spark: Spark = Spark()
    stages: Stages = Stages()
    pods: Pods | None = Field(default=None, description="where stages with an image run")
    serving: Serving = Serving()
    prices: Prices = Prices()
    labels: Labels = Field(
        default_factory=dict, description="on every job and pod and every model's objects, for bills"
    )
    kubernetes: Kubernetes | None = Field(default=None, description="models are served there instead of by processes")
    # Only ever shown, never asked: whom it signs in would be in every link.
    airflow_url: Annotated[str, AfterValidator(without_userinfo)] = "http://localhost:8080"
    slack: Literal["required", "optional"] = Field(
        default="required",
        description="optional: without a token the terminal is enough; else what could not be sent waits, and shows",
    )
    slack_url: str | None = Field(default=None, description="another base URL of Slack's Web API")

    @model_validator(mode="after")
    def _stages_have_their_place(self) -> Environment:
        places = {name: self.stages.of(name) for name in Stages.model_fields}
        if places["sample"].in_process and self.spark.elsewhere:
            reason = f"spark.platform is {self.spark.platform.kind}, which has resources and an image of its own"
            raise wrong_at("stages", "sample", reason=reason)
        for name, place in places.items():
            if place.in_pod and (reason := self._no_pod(name)):
                raise wrong_at("stages", name, "environment", "image", reason=reason)
            if place.resources.spot and (self.pods is None or self.pods.spot is None):
                reason = "pods.spot, which says how the cluster names such machines, is missing"
                raise wrong_at("stages", name, "resources", "spot", reason=reason)
        return self

    def _no_pod(self, stage: str) -> str:
        if stage != "train":
            return "only train runs as a pod; Spark jobs have spark.platform. Name a lock instead"
        if self.pods is None:
            return "section pods, which says in which cluster it runs, is missing"
        if urlsplit(self.mlflow.tracking_uri).scheme in ("", "file", "sqlite"):
            return "a pod cannot reach mlflow.tracking_uri, which is on this machine; name a server there"
        return ""
