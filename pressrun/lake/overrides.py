"""Overrides in the lake: records of their own, beside the verdicts that they let stand aside."""

from __future__ import annotations

from datetime import datetime

from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.verdict import Override


def keep_override(lake: Lake, override: Override, *, pipeline: str) -> None:
    """Commits the override, once however often it is kept; it is seen at once."""
    rows = rows_of("overrides", [override.model_dump()])
    lake.append("overrides", rows, pipeline=pipeline, source=f"override/{override.override_id}", sequence=0)


def overrides_of(lake: Lake, *, pipeline: str) -> tuple[Override, ...]:
    """Every override of the pipeline's verdicts, expired ones too, the oldest first."""
    rows = lake.read(lake.snapshot("overrides", pipeline=pipeline)).to_pylist()
    return tuple(sorted((Override.model_validate(row) for row in rows), key=lambda override: override.at))


def in_force(lake: Lake, *, pipeline: str, verdict_id: str, now: datetime) -> Override | None:
    """The newest override that holds for the verdict at this moment."""
    found = [o for o in overrides_of(lake, pipeline=pipeline) if o.holds(verdict_id=verdict_id, now=now)]
    return found[-1] if found else None
