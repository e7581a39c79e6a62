"""An override: a person lets a verdict stand aside. It is a record of its own and never changes the verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

# The check for information by which the verdicts of what an override let through tell of it.
OVERRIDDEN = "gate_overridden"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Override(BaseModel):
    """Who overrode which verdict, why, and until when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    override_id: str = Field(default_factory=lambda: uuid4().hex)
    verdict_id: _Text
    actor: _Text
    reason: _Text
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    expiry: AwareDatetime

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Override:
        if self.expiry <= self.at:
            raise ValueError(f"expiry {self.expiry.isoformat()} is not after {self.at.isoformat()}; give a later time")
        return self

    def holds(self, *, verdict_id: str, now: datetime) -> bool:
        """Whether it applies to this verdict at this moment."""
        return self.verdict_id == verdict_id and self.at <= now < self.expiry
