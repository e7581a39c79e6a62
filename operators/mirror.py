"""The lake on another cloud, as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.base import hide_secrets

if TYPE_CHECKING:
    from airflow.sdk import Context


class MirrorOperator(BaseOperator):
    """Copies finished steps to another lake: only what is not there yet, each file held against its content digest.

    A retry goes on where the last try ended, and two tasks at once do no harm. Readers at the far side see whole steps
    only, and read the datasets that XCom hands on by the same references.

    :param to: another lake's root (s3://, gs://, a folder), or an environment, a name in config/environments
    :param pipeline: only this pipeline's steps, a path or the name of a file in config/pipelines; by default all
    :param tables: only these tables, and the manifests; by default all
    :param dataset: one dataset instead, as a stage's XCom has it in `datasets`: a mapping, or JSON by `| tojson`
    :param storage_options: of `to` where that is a root; an environment's file has its own
    :param environment: whose lake is copied, a name in config/environments; by default the process's own
    """

    template_fields: Sequence[str] = ("to", "pipeline", "tables", "dataset", "storage_options", "environment")
    ui_color = "#e8f7ec"

    def __init__(
        self,
        *,
        to: str,
        pipeline: str | None = None,
        tables: Sequence[str] | None = None,
        dataset: Mapping[str, Any] | str | None = None,
        storage_options: Mapping[str, str] | None = None,
        environment: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.to = to
        self.pipeline = pipeline
        self.tables = tables
        self.dataset = dataset
        self.storage_options = storage_options
        self.environment = environment

    def execute(self, context: Context) -> dict[str, Any]:
        """Steps by table, files and bytes sent, and how many steps the next run brings."""
        from pressrun.config.load import load_environment, load_pipeline
        from pressrun.lake import DatasetRef
        from pressrun.upkeep.mirroring import in_words, mirror_to

        place = load_environment(self.environment)
        hide_secrets()
        given = self.dataset
        dataset = DatasetRef.model_validate_json(given) if given and isinstance(given, str) else given
        done = mirror_to(
            place,
            self.to,
            pipeline=load_pipeline(self.pipeline).model if self.pipeline else None,
            tables=self.tables or (),
            dataset=DatasetRef.model_validate(dataset) if dataset else None,
            storage_options=self.storage_options,
            progress=self._progress,
        )
        for line in in_words(done):
            self.log.info("%s", line)
        return {"steps": dict(done.steps), "files": done.files, "bytes": done.size, "held": len(done.held)}

    def _progress(self, message: str, done: int = 0, total: int | None = None) -> None:
        self.log.info("%s%s", message, f" {done}/{total}" if total else "")
