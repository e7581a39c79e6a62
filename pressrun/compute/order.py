"""The work order of a job: one stage of one step, with all that it is made from, and no secret."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from pressrun.config.environment import Environment, LakeRoot, Mlflow
from pressrun.config.find import resolve_path
from pressrun.config.pipeline import Pipeline
from pressrun.config.redact import SECRET_NAMES
from pressrun.config.spark import Local
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step

# A job signs in to the lake as whom it runs as; keys of this machine's stay here.
_SIGN_IN = (*SECRET_NAMES, "CREDENTIAL", "SERVICE_ACCOUNT")


class WorkOrder(BaseModel):
    """What the driver needs to run the stage as the task would.

    `fence`: the generation that it may commit in; `trace`: the span that its own stand below; `traces`: where they go.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    key: StepKey
    pipeline: dict[str, Any]
    environment: dict[str, Any]
    upstream: tuple[StageResult, ...]
    files: dict[str, str]
    fresh: bool
    asked: str
    fence: int
    token: str
    trace: str = ""
    traces: str = ""

    def unpack(self, folder: Path) -> None:
        """Writes the config files below `folder`, as paths in the pipeline name them."""
        (folder / "config").mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            file = folder.joinpath(*PurePosixPath(name).parts)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def make_order(
    step: Step, *, stage: str, upstream: Sequence[StageResult], fence: int, token: str, trace: str = ""
) -> WorkOrder:
    """The order for `stage` of `step`."""
    pipeline, files = _with_files(step.pipeline)
    return WorkOrder(
        stage=stage,
        key=step.key,
        pipeline=pipeline.model_dump(mode="json"),
        environment=job_environment(step.environment).model_dump(mode="json"),
        upstream=tuple(upstream),
        files=files,
        fresh=step.fresh,
        asked=step.asked or "",
        fence=fence,
        token=token,
        trace=trace,
        traces="" if isinstance(place := step.environment.spark.platform, Local) else place.traces or "",
    )


def digest_of_inputs(step: Step, *, stage: str, upstream: Sequence[StageResult]) -> str:
    """What makes a job another one: pipeline, upstream results, the files it names, where the lake is.

    Not the code, nor where spans go: a job that runs is gone on with although Pressrun was updated meanwhile. Who asks
    for a step without wanting it fresh is content with a job that somebody else asked for.
    """
    order = make_order(step, stage=stage, upstream=upstream, fence=0, token="")
    told = order.model_copy(
        update={"asked": order.asked if step.fresh else "", "environment": order.environment["lake"]}
    )
    return hashlib.sha256(told.model_dump_json(exclude={"traces"}).encode()).hexdigest()


def job_environment(environment: Environment) -> Environment:
    """The environment as a driver has it: Spark in its own process, the same lake, a home and a database of its own."""
    place = environment.lake
    options = {k: v for k, v in place.storage_options.items() if not any(word in k.upper() for word in _SIGN_IN)}
    root = place.root if "://" in place.root else str(Path(place.root).expanduser().resolve())
    return Environment(
        name=environment.name,
        home=Path("home"),
        lake=LakeRoot(root=root, storage_options=options),
        database="sqlite:///home/pressrun.db",
        landing="home/landing",
        mlflow=Mlflow(tracking_uri="file:home/mlflow"),
        spark=environment.spark.model_copy(update={"platform": Local()}),
    )


def _with_files(pipeline: Pipeline) -> tuple[Pipeline, dict[str, str]]:
    """The pipeline with paths that can be made below any folder, and the content of the files at them."""
    taxonomy = str(pipeline.label.taxonomy)
    path = (
        PurePosixPath(taxonomy) if _portable(taxonomy) else PurePosixPath("config", "taxonomies", Path(taxonomy).name)
    )
    files = {str(path): resolve_path(taxonomy).read_text(encoding="utf-8")}
    for prompt in (str(spec.prompt) for spec in pipeline.label.chain if spec.prompt):
        if _portable(prompt) and resolve_path(prompt).is_file():
            files[prompt] = resolve_path(prompt).read_text(encoding="utf-8")
    label = pipeline.label.model_copy(update={"taxonomy": str(path)})
    return pipeline.model_copy(update={"label": label}), files


def _portable(path: str) -> bool:
    return not path.startswith(("/", "~")) and ".." not in PurePosixPath(path).parts
