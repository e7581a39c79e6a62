"""Values that people write in YAML and how they are read."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Reads `30s`, `4h`, `1h30m`, `2d` as a timedelta; anything else is left to pydantic.

    Raises ValueError for text that is no duration.
    """
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", value)
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhd])\s*", "", value).strip():
        raise ValueError(f"{value!r} is no duration; write for example 30s, 20m, 4h or 1h30m")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
