"""A verdict as a self-contained piece of HTML: no script, nothing fetched, readable in light and dark."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jinja2 import Environment

from pressrun.verdict.model import Check, Comparison, Verdict
from pressrun.verdict.words import limit, measured, name_of

_WIDTH, _MARGIN = 160.0, 8.0

_TEMPLATE = """\
{% macro draw(plot, title) %}
<svg width="160" height="22" viewBox="0 0 160 22" role="img" aria-label="{{ title }}"><title>{{ title }}</title>
<line x1="0" x2="160" y1="11" y2="11" stroke="var(--pr-line)"/>
{%- if plot.low is not none and plot.high is not none %}
<line class="pr-interval" x1="{{ plot.low }}" x2="{{ plot.high }}" y1="11" y2="11"
 stroke="var(--pr-now)" stroke-width="5" stroke-linecap="round"/>
{%- endif %}
{%- if plot.threshold is not none %}
<line class="pr-threshold" x1="{{ plot.threshold }}" x2="{{ plot.threshold }}" y1="2" y2="20"
 stroke="var(--pr-text)" stroke-dasharray="3 2"/>
{%- endif %}
{%- if plot.champion is not none %}
<path class="pr-champion" d="M{{ plot.champion }} 5 l5 6 l-5 6 l-5 -6 z"
 fill="none" stroke="var(--pr-text)" stroke-width="1.5"/>
{%- endif %}
{%- if plot.candidate is not none %}
<circle class="pr-candidate" cx="{{ plot.candidate }}" cy="11" r="4" fill="var(--pr-now)"/>
{%- endif %}
</svg>
{%- endmacro -%}
<section class="pr-verdict pr-{{ verdict.decision.value }}">
<style>
.pr-verdict {
  --pr-pass: #1a7f37; --pr-fail: #cf222e; --pr-insufficient: #9a6700; --pr-error: #8250df;
  --pr-text: #1f2328; --pr-dim: #59636e; --pr-line: #d1d9e0; --pr-back: #ffffff;
  color: var(--pr-text); background: var(--pr-back); font: 14px/1.45 system-ui, sans-serif;
  border-left: 4px solid var(--pr-now); padding: .5rem 1rem; overflow-x: auto;
}
@media (prefers-color-scheme: dark) { .pr-verdict {
  --pr-pass: #3fb950; --pr-fail: #f85149; --pr-insufficient: #d29922; --pr-error: #ab7df8;
  --pr-text: #f0f6fc; --pr-dim: #9198a1; --pr-line: #3d444d; --pr-back: #0d1117;
} }
.pr-verdict.pr-pass, .pr-verdict .pr-pass { --pr-now: var(--pr-pass); }
.pr-verdict.pr-fail, .pr-verdict .pr-fail { --pr-now: var(--pr-fail); }
.pr-verdict.pr-insufficient, .pr-verdict .pr-insufficient { --pr-now: var(--pr-insufficient); }
.pr-verdict.pr-error, .pr-verdict .pr-error { --pr-now: var(--pr-error); }
.pr-verdict strong, .pr-verdict td:first-child { color: var(--pr-now); font-weight: 600; }
.pr-verdict table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
.pr-verdict th { color: var(--pr-dim); font-weight: 500; text-align: left; }
.pr-verdict th, .pr-verdict td { border-bottom: 1px solid var(--pr-line); padding: .3rem .6rem .3rem 0; }
.pr-verdict td.pr-n { text-align: right; font-variant-numeric: tabular-nums; }
.pr-verdict small { color: var(--pr-dim); }
.pr-verdict svg { display: block; }
</style>
<p><strong>{{ verdict.decision.value | upper }}</strong>
{{ verdict.kind }} of {{ verdict.pipeline }}{% if verdict.model_version %} v{{ verdict.model_version }}{% endif %}
{%- if verdict.champion_version %}, champion v{{ verdict.champion_version }}{% endif %}
{%- if verdict.synthetic %} · synthetic{% endif %}
<small>{{ verdict.at.strftime("%Y-%m-%d %H:%M UTC") }} · {{ verdict.verdict_id[:8] }}</small></p>
<table>
<thead><tr><th>decision</th><th>check</th><th>measured</th><th>interval</th>
<th>limit</th><th>n</th><th>why</th></tr></thead>
<tbody>
{%- for row in rows %}
<tr class="pr-{{ row.check.decision.value }}"><td>{{ row.check.decision.value }}</td><td>{{ row.name }}</td>
<td>{{ row.measured }}</td><td>{% if row.plot %}{{ draw(row.plot, row.measured) }}{% endif %}</td>
<td>{{ row.limit }}</td><td class="pr-n">{{ "{:,}".format(row.check.samples) }}</td><td>{{ row.check.reason }}</td></tr>
{%- endfor %}
</tbody></table>
{%- for note in verdict.notes %}
<p><small>{{ note }}</small></p>
{%- endfor %}
</section>"""

_JINJA = Environment(autoescape=True)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Where the marks of one comparison stand, in pixels from the left. A None has no mark."""

    candidate: float | None
    champion: float | None
    low: float | None
    high: float | None
    threshold: float | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check, ready to print."""

    check: Check
    name: str
    measured: str
    limit: str
    plot: Plot | None


def to_html(verdict: Verdict) -> str:
    """A fragment with the decision, a table of the checks and, for comparisons, a small plot of the interval.

    The dot is the candidate (or its difference to the champion), the bar its interval, the diamond the champion, the
    dashed line the threshold.
    """
    return _JINJA.from_string(_TEMPLATE).render(verdict=verdict, rows=[_row(check) for check in verdict.checks])


def _row(check: Check) -> Row:
    return Row(
        check=check,
        name=name_of(check),
        measured=measured(check),
        limit=limit(check),
        plot=plot(check) if isinstance(check, Comparison) else None,
    )


def plot(check: Comparison) -> Plot | None:
    """The marks of a comparison on one scale; None when there are not two different values to set the scale."""
    # On a difference's scale the champion stands at zero by definition.
    compared = check.difference is not None
    marks = {
        "candidate": check.difference if compared else check.candidate,
        "champion": 0.0 if compared else check.champion,
        "low": check.low,
        "high": check.high,
        "threshold": check.threshold,
    }
    finite = [value for value in marks.values() if value is not None and math.isfinite(value)]
    if len(set(finite)) < 2:
        return None
    return Plot(**{name: _place(value, least=min(finite), most=max(finite)) for name, value in marks.items()})


def _place(value: float | None, *, least: float, most: float) -> float | None:
    if value is None or math.isnan(value):
        return None
    share = min(max((value - least) / (most - least), 0.0), 1.0)
    return round(_MARGIN + share * (_WIDTH - 2 * _MARGIN), 1)
