"""What machines and people cost where a pipeline runs; what is not known is shown as such, and never as nothing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Prices(BaseModel):
    """USD. Tokens have their prices by the labeler's options or the public list, jobs elsewhere by their platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_hour_usd: float | None = Field(default=None, ge=0, description="of one core, busy or reserved")
    memory_gb_hour_usd: float | None = Field(default=None, ge=0, description="of a pod's memory")
    person_hour_usd: float | None = Field(default=None, ge=0, description="of whoever answers the labeling desk")
