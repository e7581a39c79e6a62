"""New articles into the lake, bad rows into `rejects`, and a verdict on the batch before a label is bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import StageOperator

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class IngestOperator(StageOperator):
    """Reads the pipeline's files. A batch that is not as usual stops the run here."""

    stage = "ingest"

    def work(self, step: Step) -> StageResult:
        from pressrun.ingest import ingest

        return ingest(step)
