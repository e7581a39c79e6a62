"""How the traffic was divided over time: a step chart with its phases behind and its events upon it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pressrun.rollout.page.html import Html, element, joined
from pressrun.rollout.page.scale import Times
from pressrun.rollout.page.shown import Shown
from pressrun.rollout.types import BASELINE, CANDIDATE, ENDS, Event, Phase

MOST_MARKS = 30
_APART = 6.0
_LANES = 4
_LETTER = 1.0
_EDGE = 5.0
_BASELINE = re.compile(rf"\b{BASELINE} (\d+)%")
_STEP = re.compile(r"(\d+)% of the traffic")
_PHASES = {phase.value.replace("_", " "): phase for phase in Phase}
_COLOURS = {"crashed": "fail", "mended": "insufficient", "adopted": "insufficient", "champion": "pass"}
_WORDS = {"crashed": "a server crashed: ", "champion": "champion is now ", "adopted": "a supervisor took over: "}


@dataclass(frozen=True, kw_only=True)
class Span:
    """A phase and how long it lasted; `words` are what a reader calls it."""

    phase: Phase
    words: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An event on the time axis, numbered as in the list below it; `lane` keeps neighbours apart."""

    number: int
    place: float
    lane: int
    colour: str
    at: datetime
    text: str


def traffic_chart(shown: Shown) -> Html | None:
    """The chart with its list of events; None before any traffic was divided."""
    if not any(event.kind == "weights" for event in shown.events):
        return None
    times = Times(begin=shown.begin, end=shown.end)
    marks = marks_of(shown, times)
    plot = element(
        "div", _labels(), _drawing(shown, times, marks), *_names(shown, times), *map(_pin, marks), class_="plot tall"
    )
    ticks = element("div", *(_tick(at, word) for at, word in times.ticks()), class_="ticks")
    return joined(
        element("h2", "Traffic over time", _key(shown)), element("div", plot, ticks, class_="chart"), _list(marks)
    )


def spans_of(shown: Shown) -> list[Span]:
    """The phases in their order, without a gap."""
    turns = [(shown.begin, Phase.STARTING, "starting")]
    turns += [(event.at, *found) for event in shown.events if (found := _phase(event))]
    ends = [at for at, _, _ in turns[1:]] + [shown.end]
    spans = [
        Span(phase=phase, words=words, begin=at, end=end) for (at, phase, words), end in zip(turns, ends, strict=True)
    ]
    return [span for span in spans if span.end > span.begin]


def shares_of(shown: Shown, arm: str) -> list[tuple[datetime, int]]:
    """When the arm's share in percent became what."""
    turns = [(event.at, _share(event, arm)) for event in shown.events if event.kind == "weights"]
    return [(shown.begin, 0), *turns]


def marks_of(shown: Shown, times: Times) -> list[Mark]:
    """The events that a person looks for, the newest of too many."""
    told = [event for event in shown.events if _is_marked(event) and event.at <= shown.end][-MOST_MARKS:]
    marks: list[Mark] = []
    for number, event in enumerate(told, start=1):
        place = times.at(event.at)
        near = {mark.lane for mark in marks if place - mark.place < _APART}
        lane = next((lane for lane in range(_LANES) if lane not in near), number % _LANES)
        text = f"{_WORDS.get(event.kind, '')}{event.text}"
        marks.append(Mark(number=number, place=place, lane=lane, colour=_colour(event), at=event.at, text=text))
    return marks


def _phase(event: Event) -> tuple[Phase, str] | None:
    if event.kind != "phase":
        return None
    if step := _STEP.match(event.text):
        return Phase.STEPPING, f"{step[1]}%"
    words = event.text.partition(":")[0]
    phase = _PHASES.get(words)
    return (phase, words) if phase and phase not in ENDS else None


def _share(event: Event, arm: str) -> int:
    if arm == CANDIDATE:
        return event.weight or 0
    found = _BASELINE.search(event.text)
    return int(found[1]) if found else 0


def _is_marked(event: Event) -> bool:
    back = event.kind == "phase" and event.text.startswith("rolling back")
    return event.kind in ("crashed", "intent", "mended", "champion", "adopted") or back


def _colour(event: Event) -> str:
    if event.kind == "phase" or event.text.startswith(("force ", "abort ")):
        return "fail"
    return _COLOURS.get(event.kind, "link")


def _tick(at: float, word: str) -> Html:
    edge = "first" if at < _EDGE else "last" if at > 100 - _EDGE else None
    return element("span", word, class_=edge, style=f"left:{at:.2f}%")


def _labels() -> Html:
    marks = (element("span", f"{share}%", style=f"top:{100 - share}%") for share in (0, 25, 50, 75, 100))
    return element("div", *marks, class_="scale")


def _drawing(shown: Shown, times: Times, marks: list[Mark]) -> Html:
    bands = [_band(span, times) for span in spans_of(shown)]
    grid = [element("line", x1=0, x2=100, y1=y, y2=y, class_="grid") for y in (25, 50, 75)]
    candidate = _line(shares_of(shown, CANDIDATE), times)
    area = element("polygon", points=f"0,100 {candidate} 100,100", class_="area")
    lines = [element("polyline", points=candidate, class_="candidate")]
    if any(share for _, share in shares_of(shown, BASELINE)):
        lines.append(element("polyline", points=_line(shares_of(shown, BASELINE), times), class_="baseline"))
    pins = [element("line", x1=m.place, x2=m.place, y1=0, y2=100, class_=f"pin {m.colour}") for m in marks]
    title = element(
        "title", f"The candidate's share of the traffic, from {shown.begin:%H:%M:%S} to {shown.end:%H:%M:%S} UTC"
    )
    return element(
        "svg", title, *bands, *grid, area, *lines, *pins, viewBox="0 0 100 100", preserveAspectRatio="none", role="img"
    )


def _band(span: Span, times: Times) -> Html:
    left, right = times.at(span.begin), times.at(span.end)
    return element("rect", x=left, width=right - left, y=0, height=100, class_=f"band {span.phase.value}")


def _line(turns: list[tuple[datetime, int]], times: Times) -> str:
    points, last = [], 0
    for at, share in turns:
        x = times.at(at)
        points += [f"{x:.2f},{100 - last}", f"{x:.2f},{100 - share}"]
        last = share
    return " ".join([*points, f"100,{100 - last}"])


def _names(shown: Shown, times: Times) -> list[Html]:
    """The phases' names above their bands. A narrow band has none, but for the last one, whose name reaches back."""
    spans = spans_of(shown)
    return [name for span in spans if (name := _name(span, times, last=span is spans[-1]))]


def _name(span: Span, times: Times, *, last: bool) -> Html | None:
    left, width = times.at(span.begin), times.at(span.end) - times.at(span.begin)
    fits = width >= len(span.words) * _LETTER
    if not fits and not last:
        return None
    style = f"left:{left:.2f}%;width:{width:.2f}%" if fits else "right:0;padding:0"
    title = f"{span.words} from {span.begin:%H:%M:%S} to {span.end:%H:%M:%S}"
    return element("span", span.words, class_=f"name {span.phase.value}", style=style, title=title)


def _pin(mark: Mark) -> Html:
    style = f"left:{mark.place:.2f}%;bottom:{mark.lane * 1.35 + 0.2:.2f}rem"
    title = f"{mark.at:%H:%M:%S} {mark.text}"
    return element("b", str(mark.number), class_=f"mark {mark.colour}", style=style, title=title)


def _list(marks: list[Mark]) -> Html | None:
    rows = [
        element(
            "li",
            element("b", str(m.number), class_=f"mark {m.colour}"),
            element("time", f"{m.at:%H:%M:%S}"),
            element("span", m.text),
        )
        for m in marks
    ]
    return element("ul", *rows, class_="events") if rows else None


def _key(shown: Shown) -> Html:
    parts = [element("i", class_="key candidate"), f"candidate v{shown.version}"]
    if any(share for _, share in shares_of(shown, BASELINE)):
        parts += [element("i", class_="key baseline"), f"baseline: v{shown.against}, as fresh"]
    rest = f"what is above is champion v{shown.against}'s" if shown.against else ""
    return element("small", *parts, element("i", class_="key rest") if rest else None, rest)
