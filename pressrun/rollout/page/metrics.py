"""Each metric's evidence: the interval as it narrows over the looks, its budget, and how much has been bet and won."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log

from pressrun.config.pipeline import Rollout
from pressrun.rollout.evidence import ALPHA, alphas_of, budgets_of
from pressrun.rollout.page.html import Html, element, joined
from pressrun.rollout.page.scale import Values, values_around
from pressrun.rollout.page.shown import Shown
from pressrun.rollout.tracks import Look, Track
from pressrun.rollout.windows import DISAGREEMENT, LATENCY
from pressrun.verdict import Comparison, Decision

_NAMES = {"error_rate": "Errors", LATENCY: "Latency", DISAGREEMENT: "Disagreement", "abstention": "Abstention"}
_MEANS = {
    LATENCY: "the champion's",
    DISAGREEMENT: "of shadowed pairs differ",
}

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_APART = 14.0
_URGENT = (Decision.ERROR, Decision.FAIL, Decision.INSUFFICIENT, Decision.PASS)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """What one side of the test has won: the logarithm of its e-value, and of the e-value that decides."""

    words: str
    log_e: float
    log_needed: float

    @property
    def share(self) -> float:
        """Percent of the way to the decision."""
        return min(max(self.log_e / self.log_needed, 0.0), 1.0) * 100


def metric_charts(shown: Shown) -> Html | None:
    """A card for each metric in play, those that do not pass first; None where nothing is known of them any more."""
    plan, evidence = shown.plan, shown.evidence
    if plan is None or evidence is None or not evidence.tracks:
        return None
    checks = {check.metric: check for check in shown.checks if isinstance(check, Comparison)}
    cards = [
        _card(plan.policy, metric, budget, evidence.tracks.get(metric), checks.get(metric))
        for metric, budget in sorted(budgets_of(plan.policy).items(), key=lambda one: _urgency(checks.get(one[0])))
    ]
    key = "the line is the estimate, the band what it can still be, the dashed line what is allowed; red is too much"
    return joined(element("h2", "Evidence", element("small", key)), element("div", *cards, class_="cards"))


def _urgency(check: Comparison | None) -> int:
    return _URGENT.index(check.decision) if check else _URGENT.index(Decision.INSUFFICIENT)


def meters_of(policy: Rollout, metric: str, budget: float, track: Track) -> tuple[Meter, Meter]:
    """For harm and for no harm."""
    alpha = alphas_of(policy)[metric]
    rest = ALPHA - alpha if alpha < ALPHA else ALPHA
    worse, better = track.log_e(budget)
    return (
        Meter(words="too much", log_e=worse, log_needed=log(1 / alpha)),
        Meter(words="within", log_e=better, log_needed=log(1 / rest)),
    )


def in_words(metric: str, value: float | None) -> str:
    """`1.25×` for latency, `31.0%` of pairs, `+0.4%` for a difference of shares; `open` where there is no bound yet."""
    if value is None:
        return "open"
    if not value:
        return "0%"
    if metric == LATENCY:
        return f"{value:.2f}×"
    digits = 2 if 0 < abs(value) < 0.001 else 1
    text = f"{value:.{digits}%}" if metric == DISAGREEMENT else f"{value:+.{digits}%}"
    return text.replace("-", "−")


def _card(policy: Rollout, metric: str, budget: float, track: Track | None, check: Comparison | None) -> Html:
    word = check.decision.value if check else "insufficient"
    name = _NAMES.get(metric, metric.replace("_", " "))
    title = element("h3", name, " ", element("b", word, class_=word))
    if track is None or not track.looks:
        return element("section", title, element("p", "nothing seen yet"), class_=f"card {word}")
    meters = [_meter(meter) for meter in meters_of(policy, metric, budget, track)]
    reason = element("p", check.reason, class_="why") if check else None
    inside = (title, _now(metric, budget, track), _plot(metric, budget, track), *meters, reason)
    return element("section", *inside, class_=f"card {word}")


def _now(metric: str, budget: float, track: Track) -> Html:
    look = track.looks[-1]
    value = element("b", in_words(metric, look.estimate) if look.estimate is not None else "n/a")
    means = _MEANS.get(metric, "above the champion's")
    return element("p", value, f" {means} {_interval(metric, look)}, {in_words(metric, budget)} allowed", class_="now")


def _interval(metric: str, look: Look) -> str:
    low, high = in_words(metric, look.low), in_words(metric, look.high)
    if look.low is not None and look.high is not None and look.low >= look.high:
        return f"(it changed: above {low} at one time, below {high} at another)"
    return f"[{low}, {high}]"


def _plot(metric: str, budget: float, track: Track) -> Html:
    axis, looks = axis_of(metric, budget, track.looks), track.looks
    allowed = axis.at(budget)
    equal = 1.0 if metric == LATENCY else 0.0
    null = axis.at(equal)
    labels = [
        element("span", in_words(metric, value), style=f"top:{place:.2f}%")
        for value, place in ((budget, allowed), (equal, null))
        if value == budget or abs(place - allowed) > _APART
    ]
    drawing = element(
        "svg",
        element("title", f"{metric} over {track.number} windows"),
        element("rect", x=0, y=0, width=100, height=allowed, class_="beyond"),
        element("polygon", points=_band(looks, axis), class_="interval"),
        element("line", x1=0, x2=100, y1=null, y2=null, class_="grid"),
        element("polyline", points=_estimates(looks, axis), class_="estimate"),
        element("line", x1=0, x2=100, y1=allowed, y2=allowed, class_="budget"),
        viewBox="0 0 100 100", preserveAspectRatio="none", role="img",
    )  # fmt: skip
    ends = element(
        "div", element("span", f"window {looks[0].number}"), element("span", str(looks[-1].number)), class_="ends"
    )
    plot = element("div", element("div", *labels, class_="scale"), drawing, class_="plot")
    return element("div", plot, ends, class_="chart")


def axis_of(metric: str, budget: float, looks: tuple[Look, ...]) -> Values:
    """Room for the budget, for no difference, and for what was found later on; the first estimates may be wild."""
    settled = looks[len(looks) // 4 :]
    found = [budget, 1.0 if metric == LATENCY else 0.0, *(x.estimate for x in settled), *_bounds(settled)]
    known = [value for value in found if value is not None and isfinite(value)]
    logarithmic = metric == LATENCY
    return values_around([value for value in known if not logarithmic or value > 0], logarithmic=logarithmic)


def _bounds(looks: tuple[Look, ...]) -> list[float | None]:
    return [*(look.low for look in looks), *(look.high for look in looks)]


def _places(looks: tuple[Look, ...]) -> list[float]:
    first, last = looks[0].number, looks[-1].number
    if first == last:
        return [100.0 for _ in looks]
    return [(look.number - first) / (last - first) * 100 for look in looks]


def _band(looks: tuple[Look, ...], axis: Values) -> str:
    """The interval as an area; a side that is open reaches the plot's edge. It changes in steps: so it is known."""
    places = _places(looks)
    upper = _steps(places, [0.0 if look.high is None else axis.at(look.high) for look in looks])
    lowest = [100.0 if look.low is None else axis.at(look.low) for look in looks]
    # What changed over time is shown to be above the one and below the other: nothing lies between them.
    lower = _steps(places, [max(low, high) for low, (_, high) in zip(lowest, upper[2::2], strict=True)])
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in [*upper, *reversed(lower)])


def _steps(places: list[float], heights: list[float]) -> list[tuple[float, float]]:
    points = [(0.0, heights[0])]
    for x, y in zip(places, heights, strict=True):
        points += [(x, points[-1][1]), (x, y)]
    return points


def _estimates(looks: tuple[Look, ...], axis: Values) -> str:
    found = zip(_places(looks), looks, strict=True)
    return " ".join(f"{x:.2f},{axis.at(look.estimate):.2f}" for x, look in found if look.estimate is not None)


def _meter(meter: Meter) -> Html:
    said = f"e-value {_large(meter.log_e)}, {_large(meter.log_needed)} needed"
    bar = element("span", element("i", style=f"width:{meter.share:.1f}%"), class_="bar")
    kind = "harm" if meter.words == "too much" else "fine"
    return element(
        "div", element("span", f"shown to be {meter.words}"), bar, element("span", said), class_=f"meter {kind}"
    )


def _large(logarithm: float) -> str:
    """Beyond some thousands the power of ten alone."""
    return f"{exp(logarithm):.3g}" if logarithm < 9 else f"10{f'{logarithm / log(10):.0f}'.translate(_RAISED)}"
