"""A verdict as Slack text (mrkdwn), and that text as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pressrun.verdict import FORCED, OVERRIDDEN, Decision, Verdict
from pressrun.verdict.words import weightiest_first

MAX_TEXT = 2_900
"""Slack cuts a section at 3,000 characters."""
WORDS = {
    ("gate", Decision.PASS): "passed the gate",
    ("gate", Decision.FAIL): "stopped at the gate",
    ("canary", Decision.PASS): "promoted",
    ("canary", Decision.FAIL): "rolled back",
    ("gate", Decision.INSUFFICIENT): "held at the gate: too few true labels to tell",
    ("gate", Decision.ERROR): "held at the gate: it could not be judged",
    ("canary", Decision.INSUFFICIENT): "rolled back: its traffic did not settle it",
    ("canary", Decision.ERROR): "rolled back: it could not be judged",
    ("drift", Decision.PASS): "no drift",
    ("drift", Decision.FAIL): "drift found",
    ("drift", Decision.ERROR): "drift could not be judged",
    ("batch", Decision.FAIL): "articles stopped before labeling",
    ("labels", Decision.FAIL): "labels not good enough",
    ("freshness", Decision.FAIL): "no fresh champion",
}
MAX_REASONS = 8


def escaped(text: str) -> str:
    """Text in which Slack finds no link, mention or markup of somebody else's.

    The three characters of https://api.slack.com/reference/surfaces/formatting#escaping.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headline(verdict: Verdict) -> str:
    """The present state in two lines: what happened, and why; one more where a person overrode a judge."""
    version = f" v{escaped(verdict.model_version)}" if verdict.model_version else ""
    promoted = verdict.forced or (verdict.kind, verdict.decision) == ("canary", Decision.PASS)
    was = "champion was" if promoted else "champion is"
    champion = f" · {was} v{escaped(verdict.champion_version)}" if verdict.champion_version else ""
    marked = " · synthetic data" if verdict.synthetic else ""
    title = f"*{escaped(verdict.pipeline)}{version}* · {outcome(verdict)}{champion}{marked}"
    overridden = [escaped(check.reason) for check in verdict.checks if check.metric in (OVERRIDDEN, FORCED)]
    return clipped("\n".join(line for line in (title, *overridden, reasons(verdict, most=2)) if line))


def detail(verdict: Verdict) -> str:
    """A reply: the decision with the checks behind it, and the notes."""
    lines = [f"{escaped(verdict.kind)}: *{outcome(verdict)}*", reasons(verdict, most=MAX_REASONS)]
    lines += [escaped(note) for note in verdict.notes]
    return clipped("\n".join(line for line in lines if line))


def outcome(verdict: Verdict) -> str:
    """The decision in words a newsroom uses."""
    if verdict.forced:
        return f"FORCED to all traffic, its checks say {verdict.decision.value}"
    return WORDS.get((verdict.kind, verdict.decision), f"{verdict.kind} {verdict.decision.value}")


def reasons(verdict: Verdict, *, most: int) -> str:
    """The reasons that decided, a line each."""
    decisive = weightiest_first(verdict)
    shown = [escaped(check.reason) for check in decisive[:most]]
    more = [f"and {len(decisive) - most} more"] if len(decisive) > most else []
    return "\n".join(shown + more)


def clipped(text: str) -> str:
    """The text, cut where Slack would refuse it; never inside an escape."""
    if len(text) <= MAX_TEXT:
        return text
    cut = text[: MAX_TEXT - 1]
    start = cut.rfind("&")
    return (cut[:start] if start > len(cut) - 6 and ";" not in cut[start:] else cut) + "…"


def with_links(text: str, links: Mapping[str, str]) -> str:
    """The text and a line of links."""
    line = " · ".join(f"<{_address(url)}|{escaped(name)}>" for name, url in links.items() if _safe(url))
    return f"{text}\n{line}" if line else text


def blocks(text: str) -> list[dict[str, Any]]:
    """The text as the one section block that Slack shows."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]


def plain(text: str) -> str:
    """mrkdwn as a terminal shows it."""
    return text.replace("*", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _safe(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _address(url: str) -> str:
    return url.replace("|", "%7C").replace(">", "%3E").replace("<", "%3C")
