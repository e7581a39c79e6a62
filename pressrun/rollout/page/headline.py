"""The first lines of the page: what is happening, how far it is, and in big type why a candidate went back."""

from __future__ import annotations

from pressrun.rollout.overridden import overridden
from pressrun.rollout.page.html import Html, element, joined
from pressrun.rollout.page.scale import lasting
from pressrun.rollout.page.shown import Shown
from pressrun.rollout.types import CANDIDATE, Phase
from pressrun.verdict import OVERRIDDEN, Assertion, Check, Decision, decide

_SAID = {
    Phase.STARTING: "is starting",
    Phase.STEPPING: "has {share}% of the traffic",
    Phase.BAKING: "has {share}% of the traffic and bakes",
    Phase.PROMOTING: "is being promoted",
    Phase.ROLLING_BACK: "is going back",
    Phase.PROMOTED: "was promoted",
    Phase.ROLLED_BACK: "was rolled back",
}
_MOST_REASONS = 3


def headline(shown: Shown) -> Html:
    """One sentence, the facts beside it, and what nobody may overlook."""
    name = f"{shown.model} v{shown.version} "
    said = element("span", _sentence(shown), class_=_colour(shown))
    mark = element("span", "synthetic articles", class_="tag") if shown.synthetic else None
    return joined(element("h1", name, said, mark), _facts(shown), _reasons(shown), *_boxes(shown))


def deciding(checks: tuple[Check, ...]) -> list[Check]:
    """The checks that made the decision, what a person or a hard limit stopped first."""
    aborted = [check for check in checks if check.metric == "aborted"]
    if aborted:
        return list(aborted)
    decision = decide(checks)
    found = [check for check in checks if check.decision is decision and check.required]
    return sorted(found, key=lambda check: not isinstance(check, Assertion))


def _sentence(shown: Shown) -> str:
    share = shown.state.weights.get(CANDIDATE, 0) if shown.state else 0
    said = _SAID[shown.phase].format(share=share)
    forced = shown.phase in (Phase.PROMOTING, Phase.PROMOTED) and shown.asked("force")
    return f"{said}{' by force' if forced else ''}{', paused' if _paused(shown) else ''}"


def _paused(shown: Shown) -> bool:
    return shown.state is not None and shown.state.paused_at is not None


def _colour(shown: Shown) -> str:
    if shown.back:
        return "fail"
    if shown.phase is Phase.PROMOTED:
        return "fail" if shown.asked("force") else "pass"
    return "insufficient" if _paused(shown) else ""


def _facts(shown: Shown) -> Html:
    champion = f"against champion v{shown.against}" if shown.against else "the first champion"
    length = f"{'took' if shown.outcome else 'for'} {lasting(shown.end - shown.begin)}"
    facts = [champion, *_step(shown), length, *_back_within(shown), f"rollout {shown.generation}"]
    word = (shown.outcome.verdict.decision if shown.outcome else decide(shown.checks)).value
    verdict = joined(" · verdict ", "" if shown.outcome else "so far ", element("b", word, class_=word))
    since = f" · since {shown.begin:%Y-%m-%d %H:%M:%S} UTC"
    return element("p", " · ".join(facts), verdict if shown.checks else None, since, class_="facts")


def _step(shown: Shown) -> list[str]:
    plan, state = shown.plan, shown.state
    if plan is None or state is None or state.ended or not plan.champion:
        return []
    steps = plan.policy.steps
    if shown.phase is Phase.BAKING:
        return [f"bake of {lasting(plan.policy.bake)}, since {lasting(shown.end - state.since)}"]
    if shown.phase is Phase.STEPPING:
        return [f"step {state.step + 1} of {len(steps)}, since {lasting(shown.end - state.since)}"]
    return []


def _back_within(shown: Shown) -> list[str]:
    seconds = shown.outcome.back_seconds if shown.outcome else None
    return [] if seconds is None or not shown.outcome else [f"out of traffic {seconds:.1f} s after the decision"]


def _reasons(shown: Shown) -> Html | None:
    """Big where it went back; while it is under way, what it waits for."""
    if shown.back:
        return joined(*(element("p", check.reason, class_="reason fail") for check in _most(shown.checks)))
    open_ = [check for check in shown.checks if check.decision is Decision.INSUFFICIENT and check.required]
    if shown.outcome or not open_:
        return None
    return element("p", "Waiting for: ", "; ".join(check.reason for check in open_[:_MOST_REASONS]), class_="waits")


def _most(checks: tuple[Check, ...]) -> list[Check]:
    return deciding(checks)[:_MOST_REASONS]


def _boxes(shown: Shown) -> list[Html]:
    boxes = []
    if (force := shown.asked("force")) is not None:
        boxes.append(
            _box(
                "fail", "FORCED", f"by {force.actor} at {force.at:%H:%M:%S} UTC, whatever the checks say", force.reason
            )
        )
    if said := _overridden(shown):
        boxes.append(_box("fail", "GATE OVERRIDDEN", said))
    if _paused(shown) and (pause := shown.asked("pause")) is not None:
        boxes.append(_box("insufficient", "PAUSED", f"by {pause.actor} at {pause.at:%H:%M:%S} UTC", pause.reason))
    return boxes


def _overridden(shown: Shown) -> str:
    if shown.plan is not None:
        return overridden(shown.plan)
    return next((check.reason for check in shown.checks if check.metric == OVERRIDDEN), "")


def _box(colour: str, word: str, *said: str) -> Html:
    return element("p", element("b", word), " ", ": ".join(said), class_=f"box {colour}")
