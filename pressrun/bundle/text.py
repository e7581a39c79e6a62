"""The one text of an article that every labeler, model and server reads."""

from __future__ import annotations


def article_text(title: str | None, body: str | None) -> str:
    """Title and body, a line each; the first line is always the title, even when there is none."""
    return f"{(title or '').replace(chr(10), ' ').strip()}\n{(body or '').strip()}"
