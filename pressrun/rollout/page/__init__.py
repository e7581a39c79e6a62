"""The page of a model's rollout: one self-contained HTML document, live while it goes on, still once it is kept."""

from __future__ import annotations

from datetime import UTC, datetime

from pressrun.rollout.page.headline import headline
from pressrun.rollout.page.html import Html, element, joined
from pressrun.rollout.page.metrics import metric_charts
from pressrun.rollout.page.shown import Shown, past, present
from pressrun.rollout.page.style import STYLE
from pressrun.rollout.page.tables import counts, hard_checks, last_words, past_rollouts, people, story
from pressrun.rollout.page.traffic import traffic_chart
from pressrun.rollout.types import Outcome, RolloutRecord

__all__ = ["render_kept", "render_page"]

LIVE_SECONDS, IDLE_SECONDS = 3, 30


def render_page(record: RolloutRecord, now: datetime | None = None) -> str:
    """The record's newest rollout as it stands; the page asks for itself again and again."""
    shown = present(record, now or datetime.now(UTC))
    refresh = element("meta", http_equiv="refresh", content=LIVE_SECONDS if record.active else IDLE_SECONDS)
    if shown is None:
        return _document(record, element("h1", record.model), element("p", _champion(record)), head=refresh)
    return _document(record, *_parts(shown, record), head=refresh)


def render_kept(record: RolloutRecord, outcome: Outcome) -> str:
    """The page of a rollout that has ended, with its verdict, to be kept: it never changes."""
    from pressrun.verdict.html import to_html

    verdict = joined(element("h2", "Verdict"), Html(to_html(outcome.verdict)))
    return _document(record, *_parts(past(record, outcome), record, verdict))


def _parts(shown: Shown, record: RolloutRecord, verdict: Html | None = None) -> list[Html | None]:
    return [
        headline(shown),
        element("p", _champion(record), class_="dim"),
        traffic_chart(shown),
        people(shown),
        metric_charts(shown),
        verdict,
        hard_checks(shown),
        counts(shown),
        last_words(shown.last_words),
        past_rollouts(record.outcomes),
        story(record.history, folded=shown.outcome is not None),
    ]


def _champion(record: RolloutRecord) -> str:
    serves = f"Serving now: champion v{record.champion.version}." if record.champion else "No champion serves yet."
    waiting = ", ".join(f"v{plan.candidate.version}" for plan in record.queue)
    return f"{serves} Waiting for their turn: {waiting}." if waiting else serves


def _document(record: RolloutRecord, *body: Html | None, head: Html | None = None) -> str:
    metas = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        head,
    )
    title = element("title", f"{record.model} · rollout")
    page = element(
        "html", element("head", *metas, title, Html(f"<style>{STYLE}</style>")), element("body", *body), lang="en"
    )
    return f"<!doctype html>{page}"
