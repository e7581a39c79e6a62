"""The page of a model's rollout: one self-contained HTML document that refreshes itself."""

from __future__ import annotations

from html import escape

from pressrun.rollout.overridden import overridden
from pressrun.rollout.types import Event, Outcome, RolloutRecord
from pressrun.verdict import Assertion, Comparison

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#ccc;--mark:#0b6bcb}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--paper:#161616;--line:#444;--mark:#6db3ff}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;
padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid var(--line)}.pass{color:#1a7f37}.fail,.error{color:#d1242f}.insufficient{color:#9a6700}
svg{width:100%;height:8rem;border:1px solid var(--line)}polyline{fill:none;stroke:var(--mark);stroke-width:2;
vector-effect:non-scaling-stroke}
"""


def render_page(record: RolloutRecord) -> str:
    """The record as HTML: where it stands, the candidate's weight over time, the checks, the story."""
    name = escape(record.model)
    parts = [_headline(record), _weights(record), _checks(record), _outcomes(record.outcomes), _story(record.history)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f"<title>{name} · rollout</title><style>{_STYLE}</style></head><body><h1>{name}</h1>"
        f"{''.join(parts)}</body></html>"
    )


def _headline(record: RolloutRecord) -> str:
    champion = f"version {escape(record.champion.version)}" if record.champion else "none yet"
    mark = ' <b class="insufficient">synthetic articles</b>' if record.plan and record.plan.synthetic else ""
    lines = [f"<p>Champion: <strong>{champion}</strong>{mark}</p>"]
    if record.plan and record.state:
        weights = ", ".join(f"{escape(arm)} {weight}%" for arm, weight in record.state.weights.items())
        phase = record.state.phase.value.replace("_", " ")
        lines.append(
            f"<p>Candidate: version {escape(record.plan.candidate.version)}, <strong>{phase}</strong>; {weights}. "
            f"Requests {_numbers(record.traffic.requests)}; errors {_numbers(record.traffic.errors)}; "
            f"{record.traffic.retried} asked again, {record.traffic.lost} lost.</p>"
        )
        if said := overridden(record.plan):
            lines.append(f'<p class="fail"><strong>{escape(said)}</strong></p>')
    return "".join(lines)


def _numbers(counts: dict[str, int]) -> str:
    return ", ".join(f"{escape(arm)} {count}" for arm, count in sorted(counts.items())) or "none"


def _weights(record: RolloutRecord) -> str:
    """A line of the candidate's weight over the present or last rollout."""
    generation = record.plan.generation if record.plan else 0
    events = [e for e in record.history if e.generation == generation and e.weight is not None and e.kind == "weights"]
    if not events:
        return ""
    begin = events[0].at
    points, last = [], 0
    for event in events:
        seconds = (event.at - begin).total_seconds()
        points += [f"{seconds:.1f},{100 - last}", f"{seconds:.1f},{100 - (event.weight or 0)}"]
        last = event.weight or 0
    end = max((record.history[-1].at - begin).total_seconds(), 1.0)
    points.append(f"{end:.1f},{100 - last}")
    return (
        f'<h2>The candidate’s share over {end:.0f} s</h2><svg viewBox="0 -2 {end:.1f} 104" preserveAspectRatio="none" '
        f'role="img" aria-label="share of traffic over time"><polyline points="{" ".join(points)}"/></svg>'
    )


def _checks(record: RolloutRecord) -> str:
    checks = record.state.checks if record.state else ()
    if not checks:
        return ""
    rows = "".join(f"<tr>{_check(check)}</tr>" for check in checks)
    return f"<h2>Checks</h2><table><tr><th>check<th>decision<th>why</tr>{rows}</table>"


def _check(check: Comparison | Assertion) -> str:
    word = check.decision.value
    return f'<td>{escape(check.metric)}<td class="{word}">{word}<td>{escape(check.reason)}'


def _outcomes(outcomes: tuple[Outcome, ...]) -> str:
    if not outcomes:
        return ""
    rows = "".join(
        f"<tr><td>{o.generation}<td>{escape(o.verdict.model_version or '')}<td>{o.phase.value.replace('_', ' ')}"
        f'<td class="{o.verdict.decision.value}">{o.verdict.decision.value}<td>{o.seconds:.0f} s</tr>'
        for o in reversed(outcomes[-10:])
    )
    return f"<h2>Rollouts</h2><table><tr><th>generation<th>version<th>end<th>verdict<th>took</tr>{rows}</table>"


def _story(history: tuple[Event, ...]) -> str:
    rows = "".join(
        f"<tr><td>{event.at:%H:%M:%S}<td>{event.generation}<td>{event.kind}<td>{escape(event.text)}</tr>"
        for event in reversed(history[-40:])
    )
    return f"<h2>Story</h2><table><tr><th>UTC<th>generation<th>what<th></tr>{rows}</table>"
