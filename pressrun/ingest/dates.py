"""Times as files write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

YEARS = range(1600, 2201)
_MILLISECONDS = 100_000_000_000
"""A number from here on counts milliseconds: as seconds it would be the year 5138."""


def parse_time(raw: object) -> datetime | None:
    """ISO 8601, RFC 5322, or seconds or milliseconds since 1970, in UTC where no zone is named; None for nothing.

    Raises ValueError for anything else, and for years that no article is from.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None
    moment = _parsed(raw)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment.year not in YEARS:
        raise ValueError(f"the year {moment.year}")
    return moment.astimezone(UTC)


def _parsed(raw: object) -> datetime:
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    if isinstance(raw, bool):
        raise ValueError("a truth value")
    text = str(raw).strip()
    if re.fullmatch(r"-?\d{9,14}(\.\d+)?", text):
        return _since_1970(float(text))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _since_1970(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= _MILLISECONDS else number
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"the number {number}") from error
