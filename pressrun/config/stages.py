"""Sections `stages` and `pods` of an environment file: what a stage may take, and which Python it runs in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pressrun.config.explain import wrong_at
from pressrun.config.labels import Labels

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_MEMORY = re.compile(r"([1-9]\d*)(Ki|Mi|Gi|Ti)")
_IMAGE = re.compile(r"[a-z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _memory(value: str) -> str:
    if not _MEMORY.fullmatch(value):
        meant = re.fullmatch(r"([1-9]\d*)\s*([KMGTkmgt])i?[bB]?", value)
        asked = f" Did you mean {meant[1]}{meant[2].upper()}i?" if meant else ""
        raise ValueError(f"it is memory as Kubernetes writes it: 512Mi or 16Gi.{asked}")
    return value


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError("it is an image's name, best by its digest: registry.example.org/train@sha256:…")
    return value


Memory: TypeAlias = Annotated[str, AfterValidator(_memory)]


class Resources(_Section):
    """What a stage may take. In a process memory is held by killing it, cpu by its libraries' numbers of threads."""

    cpu: float | None = Field(default=None, gt=0, description="cores; a process gets so many threads, rounded up")
    memory: Memory | None = Field(default=None, description="as 512Mi or 16Gi; what takes more is killed")
    gpu: int = Field(default=0, ge=0, description="how many; without them the stage does not begin")
    spot: bool = Field(default=False, description="pods only: on machines that may be taken away, as pods.spot says")

    @property
    def memory_bytes(self) -> int | None:
        """`memory` in bytes."""
        found = _MEMORY.fullmatch(self.memory or "")
        return int(found[1]) * _UNITS[found[2]] if found else None


class StageEnvironment(_Section):
    """Whose packages a stage imports: those of a lock, made beside the task, or those of an image, in a pod."""

    lock: Path | None = Field(
        default=None, description="requirements with pins (uv pip compile), pylock.toml, or uv.lock beside its project"
    )
    python: str | None = Field(default=None, description="as 3.12, of the lock's environment; by default the task's")
    image: Annotated[str, AfterValidator(_image)] | None = Field(
        default=None, description="with Pressrun and what the stage needs; by its digest, so that it stays the same"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> StageEnvironment:
        if self.lock is not None and self.image is not None:
            raise wrong_at("image", reason="a stage has a lock or an image, not both; take one out")
        if self.lock is None and self.image is None:
            raise wrong_at("lock", reason="is missing; name a lock file, or an image")
        if self.python is not None and not re.fullmatch(r"3\.\d+(\.\d+)?", self.python):
            raise wrong_at("python", reason="it is a version in quotes, as '3.12'")
        if self.python is not None and self.image is not None:
            raise wrong_at("python", reason="an image has its own Python; take this out")
        return self


class StagePlace(_Section):
    """How one stage runs; with nothing named it runs in the task's own process."""

    resources: Resources = Resources()
    environment: StageEnvironment | None = None

    @property
    def in_pod(self) -> bool:
        """Whether it runs as a pod."""
        return self.environment is not None and self.environment.image is not None

    @property
    def in_process(self) -> bool:
        """Whether it runs in a process of its own, beside the task's."""
        return not self.in_pod and (self.environment is not None or self.resources != Resources())

    @model_validator(mode="after")
    def _spot_is_for_pods(self) -> StagePlace:
        if self.resources.spot and not self.in_pod:
            reason = "only a pod can be placed on such machines; name environment.image, or take this out"
            raise wrong_at("resources", "spot", reason=reason)
        return self


class Stages(_Section):
    """By stage. The others run in the task's process: they watch, judge, or wait for people."""

    ingest: StagePlace = StagePlace()
    sample: StagePlace = StagePlace()
    train: StagePlace = StagePlace()

    def of(self, stage: str) -> StagePlace:
        """Where the stage of that name runs."""
        found = getattr(self, stage, None)
        return found if isinstance(found, StagePlace) else StagePlace()


class Spot(_Section):
    """How a cluster names machines that may be taken away; pods that ask for `spot` go there."""

    node_selector: dict[str, str] = Field(min_length=1, description="as eks.amazonaws.com/capacityType: SPOT")
    tolerations: list[dict[str, Any]] = Field(default_factory=list, description="as Kubernetes writes them")


class Pods(_Section):
    """Where stages with an image run. Airflow reaches it by the connection, a terminal by kubeconfig and context."""

    kubernetes_conn_id: str = "kubernetes_default"
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "pressrun"
    service_account: str = Field(default="pressrun-stage", description="whose rights on lake and MLflow the stage has")
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    run_as_user: int = Field(default=50000, ge=1)
    secret: str | None = Field(default=None, description="Secret whose keys are the stage's environment")
    gpu: str = Field(default="nvidia.com/gpu", description="the cluster's name of a GPU")
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    spot: Spot | None = None
    labels: Labels = Field(default_factory=dict, description="of every pod, for bills")
    timeout_minutes: int = Field(default=360, ge=5, description="the cluster ends a pod that runs longer")
