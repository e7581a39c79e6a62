"""A verdict as a page of its own, and before a page that something else has made."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from pressrun.verdict.html import to_html
from pressrun.verdict.model import Verdict

_BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)


def to_page(verdict: Verdict) -> str:
    """A whole HTML document with nothing but the verdict, readable in light and dark."""
    title = escape(f"{verdict.kind} of {verdict.pipeline}: {verdict.decision.value}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<title>{title}</title></head><body>{to_html(verdict)}</body></html>"
    )


def put_on_top(verdict: Verdict, report: Path) -> None:
    """Puts the verdict at the head of a report that something else has written."""
    report.write_text(with_verdict(report.read_text(encoding="utf-8"), verdict), encoding="utf-8")


def with_verdict(page: str, verdict: Verdict) -> str:
    """The HTML document with the verdict at the head of its body."""
    body = _BODY.search(page)
    if body is None:
        raise ValueError("the page has no <body> to put a verdict into")
    return f"{page[: body.end()]}{to_html(verdict)}{page[body.end() :]}"
