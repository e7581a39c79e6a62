"""What a rollout is made of: the plan that is submitted, the state it is in, and the record that keeps both."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pressrun.agreement import Expected
from pressrun.config.environment import Deploy
from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.counters import Reading
from pressrun.rollout.evidence import Evidence, Window
from pressrun.verdict import Check, Decision, Override, Verdict

CHAMPION, BASELINE, CANDIDATE = "champion", "baseline", "candidate"
START_WITHIN = timedelta(minutes=5)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """A share of the traffic and the model that answers it."""

    name: str
    model: ModelRef


class RolloutPlan(_Frozen):
    """What shall happen. `arms` holds the candidate and, unless it is the first, the champion it was gated against.

    A baseline beside them is the champion's model, started as freshly as the candidate and given as much traffic.
    `replicas` are those of an arm that carries everything; `split` says whether traffic is divided by weights or by the
    number of replicas; `unready_within` is how long the candidate may have none ready, in all, since a cluster moves
    pods for reasons of its own; `hold` keeps the bake until it is released. `generation` is given on submission:
    whatever carries an older one has no effect. `attempt` is the same in all clusters: the leading one's generation.
    `override` is what lets the plan be although the gate said `gate_decision`. `expected` is how the two differed
    at the gate; the budgets of `policy` hold it already.
    """

    model: str
    pipeline: str
    step_key: str
    arms: tuple[Arm, ...]
    policy: Rollout
    generation: int = 0
    attempt: int = 0
    start_within: timedelta = START_WITHIN
    unready_within: timedelta = timedelta()
    replicas: int = Field(default=1, ge=1)
    split: Literal["weights", "replicas"] = "weights"
    deploy: Deploy | None = None
    hold: bool = False
    gate_verdict: str | None = None
    gate_decision: Decision | None = None
    override: Override | None = None
    expected: Expected | None = None
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
# Both arms answer readers, or one's are shadowed by the other: what comes on is evidence.
MEASURED = (Phase.STEPPING, Phase.BAKING)


class RolloutState(_Frozen):
    """Where the plan stands. `step` indexes `policy.steps` and equals their number in the bake.

    While a person's pause holds, `paused_at` says since when; the clock of the step stands still meanwhile. While none
    of the candidate's replicas is ready, `unready_since` does; earlier such times add up in `unready_seconds`.
    """

    phase: Phase = Phase.STARTING
    step: int = 0
    since: datetime
    weights: dict[str, int] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    aborted: str | None = None
    paused_at: datetime | None = None
    unready_since: datetime | None = None
    unready_seconds: float = 0.0
    decided_at: datetime | None = None
    decided_weight: int = 0
    back_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDS


Wish = Literal["abort", "pause", "resume", "promote", "force", "release"]


WISHES: tuple[Wish, ...] = ("pause", "resume", "promote", "force", "abort")


class Intent(_Frozen):
    """What a person or task wants of a rollout; it binds the generation it names and no other.

    `promote` skips what is left of the steps and the bake, unless a check has failed; `force` does so whatever the
    checks say, and the verdict says that it did. `release` lets a bake end that the plan holds.
    """

    generation: int
    wish: Wish
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


EventKind = Literal[
    "submitted", "phase", "weights", "started", "stopped", "crashed", "intent", "champion", "adopted", "mended"
]  # fmt: skip


class Event(_Frozen):
    """A line of a rollout's story."""

    at: datetime
    generation: int
    kind: EventKind
    text: str
    weight: int | None = None


class Traffic(_Frozen):
    """What the router counted in a rollout; `lost` requests got no answer from any arm."""

    requests: dict[str, int] = Field(default_factory=dict)
    errors: dict[str, int] = Field(default_factory=dict)
    retried: int = 0
    lost: int = 0
    pairs: int = 0


class LastWords(_Frozen):
    """What a candidate's server said before it was removed: the end of its log, and what the cluster noted of it."""

    server: str
    log: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class Outcome(_Frozen):
    """How a rollout ended."""

    generation: int
    attempt: int = 0
    step_key: str
    phase: Phase
    aborted: bool
    at: datetime
    seconds: float
    back_seconds: float | None = None
    weight: int
    traffic: Traffic
    verdict: Verdict
    last_words: tuple[LastWords, ...] = ()


class RolloutRecord(_Frozen):
    """Everything known of one model's rollouts; `version` rises with each write.

    `champion` is what the router serves; `former_generation` made the objects of the one before. `queue` holds plans
    that wait for the present one to end. `reported` is what others than its controller counted of the present one.
    `evidence` is what its traffic says, and `readings` how far each source of it has been taken in.
    """

    model: str
    version: int = 0
    generations: int = 0
    champion: ModelRef | None = None
    champion_generation: int = 0
    champion_deploy: Deploy | None = None
    former_generation: int = 0
    plan: RolloutPlan | None = None
    state: RolloutState | None = None
    traffic: Traffic = Traffic()
    submitted_at: datetime | None = None
    queue: tuple[RolloutPlan, ...] = ()
    intents: tuple[Intent, ...] = ()
    reported: tuple[Window, ...] = ()
    last_words: tuple[LastWords, ...] = ()
    evidence: Evidence | None = None
    readings: dict[str, Reading] = Field(default_factory=dict)
    handles: tuple[Handle, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    history: tuple[Event, ...] = ()

    @property
    def active(self) -> bool:
        return self.plan is not None and self.state is not None and not self.state.ended

    def abort_of(self, generation: int) -> Intent | None:
        """The wish to abort that generation, if there is one."""
        return next((i for i in self.intents if i.wish == "abort" and i.generation == generation), None)
