"""The verdict: one type for every judgement in the loop.

Gates, canaries, label quality, batches of articles and drift all end in a `Verdict`. It renders to the terminal, the
UI, Slack and MLflow from this type alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from pressrun.config.redact import redacted


def _masked(words: str, info: ValidationInfo) -> str:
    """Reasons may quote an error, and errors quote what a library was given. What is read back was masked before."""
    return words if info.mode == "json" else redacted(words)


Words = Annotated[str, AfterValidator(_masked)]


# The check by which a canary's verdict tells that a person promoted the candidate whatever the others said.
FORCED = "forced"


class Decision(StrEnum):
    """What a check or a verdict says. No data is never a pass: it is `insufficient`."""

    PASS = "pass"
    FAIL = "fail"
    INSUFFICIENT = "insufficient"
    ERROR = "error"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Comparison(_Frozen):
    """A measured quantity against a threshold, the candidate's beside the champion's where there is one.

    `difference`, `low` and `high` are in the metric's own unit; the interval has coverage 1 - `alpha`.
    """

    kind: Literal["comparison"] = "comparison"
    metric: str
    slice: str | None = None
    candidate: float | None = None
    champion: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    samples: int = 0
    method: str = ""
    alpha: float | None = None
    required: bool = True
    decision: Decision
    reason: Words


class Assertion(_Frozen):
    """Something that holds or does not: the bundle loads, no label is outside the taxonomy."""

    kind: Literal["assertion"] = "assertion"
    metric: str
    slice: str | None = None
    value: str | float | int | bool | None = None
    samples: int = 0
    required: bool = True
    decision: Decision
    reason: Words


Check = Annotated[Comparison | Assertion, Field(discriminator="kind")]
VerdictKind = Literal["batch", "labels", "gate", "canary", "drift", "freshness"]


class Verdict(_Frozen):
    """The decision over `checks`, with what was judged and by which policy."""

    verdict_id: str = Field(default_factory=lambda: uuid4().hex)
    kind: VerdictKind
    pipeline: str
    step_key: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    checks: tuple[Check, ...]
    model_version: str | None = None
    model_digest: str | None = None
    champion_version: str | None = None
    champion_digest: str | None = None
    dataset: str | None = None
    policy_digest: str | None = None
    synthetic: bool = False
    report: str | None = None
    notes: tuple[Words, ...] = ()

    @property
    def decision(self) -> Decision:
        return decide(self.checks)

    @property
    def forced(self) -> bool:
        """Whether a person promoted the candidate whatever the checks said, and nothing has stopped it since."""
        return bool(self.checks) and self.checks[-1].metric == FORCED

    @property
    def decisive(self) -> tuple[Comparison | Assertion, ...]:
        """The checks that made the decision what it is; all of them for a pass."""
        if self.decision is Decision.PASS:
            return self.checks
        wanted = self.decision
        return tuple(c for c in self.checks if c.decision is wanted and (c.required or wanted is Decision.ERROR))


def decide(checks: tuple[Comparison | Assertion, ...]) -> Decision:
    """Any error → error; else any required fail → fail; else any required insufficient → insufficient; else pass."""
    if any(c.decision is Decision.ERROR for c in checks):
        return Decision.ERROR
    required = [c.decision for c in checks if c.required]
    for decision in (Decision.FAIL, Decision.INSUFFICIENT):
        if decision in required:
            return decision
    return Decision.PASS if required else Decision.INSUFFICIENT
