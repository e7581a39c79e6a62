"""What a rollout is made of: the plan that is submitted, the state it is in, and the record that keeps both."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.verdict import Check, Decision, Override, Verdict

CHAMPION, CANDIDATE = "champion", "candidate"
START_WITHIN = timedelta(minutes=5)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """A share of the traffic and the model that answers it."""

    name: str
    model: ModelRef


class RolloutPlan(_Frozen):
    """What shall happen. `arms` holds the candidate and, unless it is the first, the champion it was gated against.

    `generation` is given on submission: whatever carries an older one has no effect. `override` is what lets the plan
    be although the gate said `gate_decision`.
    """

    model: str
    pipeline: str
    step_key: str
    arms: tuple[Arm, ...]
    policy: Rollout
    generation: int = 0
    start_within: timedelta = START_WITHIN
    gate_verdict: str | None = None
    gate_decision: Decision | None = None
    override: Override | None = None
    synthetic: bool = False

    def arm(self, name: str) -> ModelRef | None:
        return next((arm.model for arm in self.arms if arm.name == name), None)

    @property
    def candidate(self) -> ModelRef:
        model = self.arm(CANDIDATE)
        if model is None:
            raise ValueError(f"the plan of {self.model} has the arms {[a.name for a in self.arms]}, no candidate")
        return model

    @property
    def champion(self) -> ModelRef | None:
        return self.arm(CHAMPION)


class Phase(StrEnum):
    """Where a rollout stands; the last two are its ends."""

    STARTING = "starting"
    STEPPING = "stepping"
    BAKING = "baking"
    PROMOTING = "promoting"
    ROLLING_BACK = "rolling_back"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


ENDS = (Phase.PROMOTED, Phase.ROLLED_BACK)


class RolloutState(_Frozen):
    """Where the plan stands. `step` indexes `policy.steps` and equals their number in the bake."""

    phase: Phase = Phase.STARTING
    step: int = 0
    since: datetime
    weights: dict[str, int] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    aborted: str | None = None
    decided_at: datetime | None = None
    decided_weight: int = 0
    back_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDS


class AbortIntent(_Frozen):
    """One person's or task's wish to stop a rollout; it binds the generation it names and no other."""

    generation: int
    step_key: str
    actor: str
    reason: str
    at: datetime


class Handle(_Frozen):
    """A server process: enough to reach it, and to know it again after the supervisor died."""

    arm: str
    generation: int
    model: ModelRef
    pid: int
    port: int
    created: float


class Event(_Frozen):
    """A line of a rollout's story."""

    at: datetime
    generation: int
    kind: Literal["submitted", "phase", "weights", "started", "stopped", "crashed", "abort", "champion", "adopted"]
    text: str
    weight: int | None = None


class Traffic(_Frozen):
    """What the router counted in a rollout; `lost` requests got no answer from any arm."""

    requests: dict[str, int] = Field(default_factory=dict)
    errors: dict[str, int] = Field(default_factory=dict)
    retried: int = 0
    lost: int = 0
    pairs: int = 0


class Outcome(_Frozen):
    """How a rollout ended."""

    generation: int
    step_key: str
    phase: Phase
    aborted: bool
    at: datetime
    seconds: float
    back_seconds: float | None = None
    weight: int
    traffic: Traffic
    verdict: Verdict


class RolloutRecord(_Frozen):
    """Everything known of one model's rollouts; `version` rises with each write.

    `champion` is what the router serves. `queue` holds plans that wait for the present one to end.
    """

    model: str
    version: int = 0
    generations: int = 0
    champion: ModelRef | None = None
    champion_generation: int = 0
    plan: RolloutPlan | None = None
    state: RolloutState | None = None
    traffic: Traffic = Traffic()
    submitted_at: datetime | None = None
    queue: tuple[RolloutPlan, ...] = ()
    abort: AbortIntent | None = None
    handles: tuple[Handle, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    history: tuple[Event, ...] = ()

    @property
    def active(self) -> bool:
        return self.plan is not None and self.state is not None and not self.state.ended
