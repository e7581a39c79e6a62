"""Values that people write in YAML and how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time, timedelta

from pressrun.config.explain import near_miss

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\s*")
_IN_WORDS = re.compile(r"(\d)\s*(?:(s)(?:ec(?:ond)?)?|(m)(?:in(?:ute)?)?|(h)(?:(?:ou)?r)?|(d)(?:ay)?)s?(?![a-z])\s*")
_ISO = re.compile(r"P(?=[\dT])(?:\d+(?:\.\d+)?[WD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?")
_HOUR = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")
_SHORT_HOUR = re.compile(r"(\d{1,2})(?::?([0-5]\d))?")
_METRIC = re.compile(r"macro_f1|accuracy|f1:.+")


def parse_duration(value: object) -> object:
    """Reads `30s`, `4h`, `1h30m`, `2d` as a timedelta; a timedelta and ISO 8601 (as dumped) pass.

    Raises ValueError for a number without a unit and for what is no duration.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _without_unit(value)
    if isinstance(value, str) and _ISO.fullmatch(value):
        return value
    text = value if isinstance(value, str) else ""
    if not _is_duration(text):
        brief = _IN_WORDS.sub(lambda m: m[1] + "".join(filter(None, m.groups()[1:])), text.lower())
        meant = f" Did you mean {brief}?" if _is_duration(brief) else ""
        raise ValueError(f"it is no duration; write for example 30s, 20m, 4h or 1h30m.{meant}")
    return _sum(text)


def longer_than_nothing(value: timedelta) -> timedelta:
    """Lets durations above zero through."""
    if value <= timedelta(0):
        raise ValueError("it must be longer than nothing, for example 1h")
    return value


def parse_share(value: object) -> object:
    """Lets shares between 0 and 1 through. Raises ValueError that suggests one for a percentage."""
    percent = isinstance(value, str) and value.strip().endswith("%")
    try:
        number = float(str(value).strip().rstrip("%"))
    except ValueError:
        raise ValueError("it is a share between 0 and 1, for example 0.05") from None
    if not percent and 0 <= number <= 1:
        return value
    meant = f" Did you mean {number / 100:g}?" if 0 <= number <= 100 else ""
    raise ValueError(f"it is a share between 0 and 1.{meant}")


def parse_hour(value: object) -> object:
    """Lets times of day such as 06:00 through. Raises ValueError for anything else, a plain number among it."""
    if value is None or isinstance(value, time) or (isinstance(value, str) and _HOUR.fullmatch(value)):
        return value
    found = _SHORT_HOUR.fullmatch(str(value))
    meant = f' Did you mean "{int(found[1]):02}:{found[2] or "00"}"?' if found and int(found[1]) < 24 else ""
    raise ValueError(f'it is no time of day; write for example "06:00".{meant}')


def unknown_metric(name: str, own: Sequence[str]) -> str | None:
    """What is wrong with the name of a metric that is neither the gate's nor one's `own`."""
    if _METRIC.fullmatch(name) or name in own:
        return None
    meant = near_miss(name, ("macro_f1", "accuracy", *own))
    known = ", ".join(["macro_f1", "accuracy", *own])
    remedy = f" Did you mean {meant}?" if meant else ""
    return f"there is no metric {name}; known are {known}, f1:<topic> and those under gate.metrics.{remedy}"


def refuse_bare_uses(value: object) -> object:
    """Lets mappings through, and what fails as none. Raises ValueError for `package.module:Name` alone."""
    if isinstance(value, str) and re.fullmatch(r"[\w.]+:\w+", value):
        raise ValueError(f"code of your own is a mapping. Did you mean {{uses: {value}}}?")
    return value


def _without_unit(value: float) -> timedelta:
    if value == 0:
        return timedelta(0)
    raise ValueError(f"a duration needs a unit. Did you mean {value:g}m or {value:g}h?")


def _is_duration(text: str) -> bool:
    return bool(text.strip()) and not _PART.sub("", text).strip()


def _sum(text: str) -> timedelta:
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        raise ValueError("it is longer than any calendar") from None
