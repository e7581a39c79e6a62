"""Section `spark` of an environment file: the engine, and the platform that Spark jobs run on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pressrun.config.explain import near_miss, wrong_at
from pressrun.config.labels import Labels


def _like(pattern: str, words: str) -> AfterValidator:
    """A text must match, or is told what it must be in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    return AfterValidator(check)


Memory: TypeAlias = Annotated[str, _like(r"[1-9]\d*[mgt]", "it is memory as Spark writes it: 512m or 4g")]
RoleArn: TypeAlias = Annotated[
    str, _like(r"arn:aws[a-zA-Z-]*:iam::\d{12}:role/.+", "it is a role's ARN, as arn:aws:iam::123456789012:role/NAME")
]
Bucket: TypeAlias = Annotated[str, _like(r"s3://.+", "it is an address in S3, as s3://BUCKET/FOLDER")]
AwsId: TypeAlias = Annotated[str, _like(r"[0-9a-z]{1,64}", "it is an id of AWS: small letters and digits")]
Project: TypeAlias = Annotated[
    str, _like(r"[a-z][a-z0-9.:-]{4,}[a-z0-9]", "it is a project's id, not its name or number, as news-prod-1234")
]
ClusterName: TypeAlias = Annotated[
    str, _like(r"[a-z][a-z0-9-]{0,50}[a-z0-9]", "it is a cluster's name: small letters, digits and -")
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SparkResources(_Section):
    """What a job asks for. A platform's own scaling may give it less or more."""

    driver_cores: int = Field(default=2, ge=1)
    driver_memory: Memory = "4g"
    executors: int = Field(default=2, ge=1)
    executor_cores: int = Field(default=2, ge=1)
    executor_memory: Memory = "8g"


class Local(_Section):
    """This machine: in the task's own process, or in one of its own that outlives a worker."""

    kind: Literal["local"] = "local"
    process: Literal["task", "own"] = "task"


class _Elsewhere(_Section):
    """What every platform beyond the task's process may be told."""

    staging: str | None = Field(
        default=None, description="folder or bucket for code and work orders; by default _jobs below the lake's root"
    )
    python_archive: str | None = Field(
        default=None, description="packed environment with Pressrun's dependencies (venv-pack), where no image has them"
    )
    python: str | None = Field(
        default=None, description="interpreter of driver and executors; by default the archive's, else the image's"
    )
    traces: str | None = Field(
        default=None, description="where jobs tell their spans: OTLP over HTTP, as http://collector:4318"
    )
    resources: SparkResources = SparkResources()
    labels: Labels = Field(default_factory=dict, description="tags or labels of every job, for bills")
    timeout_minutes: int = Field(default=360, ge=5, description="a job that runs longer is ended")
    prices: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="USD a unit by the platform's own name of it, as vCPUHour: 0.0526"
    )
    units: ClassVar[tuple[str, ...]] = ()
    """What the platform says that a job has used."""

    @model_validator(mode="after")
    def _prices_are_of_what_it_bills(self) -> Self:
        """Else every job's cost would stay unknown, without a word."""
        for unit in self.prices:
            if not self.units:
                reason = (
                    "this platform does not say what a job has used, so nothing would come of prices; take them out"
                )
                raise wrong_at("prices", reason=reason)
            if unit not in self.units:
                meant = near_miss(unit, self.units)
                asked = f". Did you mean {meant}?" if meant else ""
                raise wrong_at("prices", unit, reason=f"this platform bills by {', '.join(self.units)}{asked}")
        return self


class Kubernetes(_Elsewhere):
    """Any cluster: the driver is a pod, which starts its executors itself."""

    kind: Literal["kubernetes"]
    kubernetes_conn_id: str = "kubernetes_default"
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "pressrun"
    image: str = Field(description="an image with Spark 4, the lake's Hadoop connector and Pressrun's dependencies")
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    service_account: str = Field(default="pressrun-spark", description="may make, watch and delete pods in namespace")
    run_as_user: int = Field(default=185, ge=1, description="uid of the driver; Spark's own images have 185")
    node_selector: dict[str, str] = Field(default_factory=dict)


class _Aws(_Elsewhere):
    aws_conn_id: str = "aws_default"
    region: str = Field(min_length=1)
    execution_role_arn: RoleArn
    log_uri: Bucket | None = Field(default=None, description="drivers' and executors' logs go there")


class EmrServerless(_Aws):
    """Amazon EMR Serverless: an application of release emr-spark-8.0 or later (Spark 4)."""

    kind: Literal["emr_serverless"]
    units = ("vCPUHour", "memoryGBHour", "storageGBHour")
    application_id: AwsId


class EmrOnEks(_Aws):
    """Amazon EMR on EKS: a virtual cluster, which is a namespace of an EKS cluster."""

    kind: Literal["emr_on_eks"]
    virtual_cluster_id: AwsId
    release_label: str = Field(min_length=1, description="with Spark 4, as emr-spark-8.0.0-latest")
    image: str | None = Field(default=None, description="an image derived from the release's")
    log_group: str | None = Field(default=None, description="of CloudWatch")


class _Google(_Elsewhere):
    gcp_conn_id: str = "google_cloud_default"
    impersonation_chain: list[str] = Field(
        default_factory=list, description="service accounts, the last of which submits; each may impersonate the next"
    )
    project: Project
    region: str = Field(min_length=1)


class DataprocServerless(_Google):
    """Dataproc Serverless, by now Google Cloud Serverless for Apache Spark: runtime 3.0 or later (Spark 4)."""

    kind: Literal["dataproc_serverless"]
    units = ("DCUHour", "shuffleStorageGBHour")
    service_account: str | None = Field(default=None, description="whom the job runs as; by default Compute Engine's")
    runtime_version: str = "3.0"
    image: str | None = None
    subnetwork: str | None = None
    network_tags: list[str] = Field(default_factory=list)
    resources: SparkResources = SparkResources(driver_cores=4, executor_cores=4, executor_memory="16g")

    @model_validator(mode="after")
    def _cores_are_those_on_offer(self) -> DataprocServerless:
        for name in ("driver_cores", "executor_cores"):
            if getattr(self.resources, name) not in (4, 8, 16):
                raise wrong_at("resources", name, reason="Dataproc Serverless has machines of 4, 8 or 16 cores")
        return self


class DataprocCluster(_Google):
    """A Dataproc cluster of your own, of image 3.0 or later (Spark 4)."""

    kind: Literal["dataproc_cluster"]
    units = ("vCoreHour", "memoryGBHour")
    cluster: ClusterName


Platform: TypeAlias = Annotated[
    Local | Kubernetes | EmrServerless | EmrOnEks | DataprocServerless | DataprocCluster, Field(discriminator="kind")
]


class Spark(_Section):
    """`master`, `driver_memory` and `conf` are of sessions on this machine; `conf` is handed to jobs elsewhere, too."""

    engine: Literal["spark", "duckdb"] = "spark"
    master: str = "local[2]"
    driver_memory: str = "1g"
    conf: dict[str, str] = Field(default_factory=dict)
    platform: Platform = Local()

    @model_validator(mode="after")
    def _duckdb_goes_nowhere(self) -> Spark:
        if self.engine == "duckdb" and self.elsewhere:
            reason = "it is no Spark: DuckDB runs in the task's own process. Write spark, or leave platform out"
            raise wrong_at("engine", reason=reason)
        return self

    @property
    def elsewhere(self) -> bool:
        """Whether jobs run outside the task's own process."""
        return not (isinstance(self.platform, Local) and self.platform.process == "task")
