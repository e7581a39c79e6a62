"""Values that people write in YAML and how they are read."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\s*")
_CRON_FIELD = r"[\d*/,\-A-Za-z#]+"
_CRON = re.compile(rf"^{_CRON_FIELD}(\s+{_CRON_FIELD}){{4}}$")
_PRESETS = ("@once", "@continuous", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def parse_duration(value: object) -> object:
    """Reads `30s`, `4h`, `1h30m`, `2d` as a timedelta; a timedelta and ISO 8601 (as dumped) pass.

    Raises ValueError for a number without a unit and for text that is no duration.
    """
    if isinstance(value, timedelta) or value == 0:
        return value
    if isinstance(value, int | float):
        raise ValueError(f"a duration needs a unit. Did you mean {value:g}m or {value:g}h?")
    if not isinstance(value, str) or value.startswith("P"):
        return value
    parts = _PART.findall(value)
    if not parts or _PART.sub("", value).strip():
        raise ValueError("it is no duration; write for example 30s, 20m, 4h or 1h30m")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_share(value: object) -> object:
    """Lets shares between 0 and 1 through. Raises ValueError that suggests one for a percentage."""
    percent = isinstance(value, str) and value.strip().endswith("%")
    try:
        number = float(str(value).strip().rstrip("%"))
    except ValueError:
        return value
    if not percent and 0 <= number <= 1:
        return value
    meant = f" Did you mean {number / 100:g}?" if 0 <= number <= 100 else ""
    raise ValueError(f"it is a share between 0 and 1.{meant}")


def parse_schedule(value: object) -> object:
    """Lets null, Airflow's presets and five-field cron through. Raises ValueError for anything else."""
    if value is None or value in _PRESETS or (isinstance(value, str) and _CRON.match(value.strip())):
        return value
    presets = ", ".join(_PRESETS)
    raise ValueError(f'it is no schedule; write five cron fields, for example "0 2 * * *", or one of {presets}')
