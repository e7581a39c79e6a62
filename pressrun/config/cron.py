"""Schedules: a preset or five cron fields, checked by value so that a wrong one is told before Airflow meets it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pressrun.config.explain import near_miss

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()  # noqa: SIM905
_DAYS = "SUN MON TUE WED THU FRI SAT".split()  # noqa: SIM905
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: re.Pattern[str] = re.compile(r"(?!)")

    def mistake(self, text: str) -> str | None:
        """What is wrong with the field's text: a list of values, ranges and steps."""
        if self.special.fullmatch(text.upper()):
            return None
        return next(filter(None, map(self._part, text.upper().split(","))), None)

    def _part(self, part: str) -> str | None:
        found = _PART.fullmatch(part)
        if not found or (found["step"] and int(found["step"]) == 0):
            return f"{part or 'nothing'} is no {self.name}"
        outside = [value for value in (found["first"], found["last"]) if value and not self._known(value)]
        named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.name} {outside[0]} is not between {self.low} and {self.high}{named}" if outside else None

    def _known(self, value: str) -> bool:
        return value in self.names or (value.isascii() and value.isdecimal() and self.low <= int(value) <= self.high)


_FIELDS = (
    _Field(name="minute", low=0, high=59),
    _Field(name="hour", low=0, high=23),
    # L: the month's last day; FRI#2: its second Friday; L5: its last Friday.
    _Field(name="day", low=1, high=31, special=re.compile("L")),
    _Field(name="month", low=1, high=12, names=tuple(_MONTHS)),
    _Field(
        name="weekday",
        low=0,
        high=7,
        names=tuple(_DAYS),
        special=re.compile(rf"(?:[0-7]|{'|'.join(_DAYS)})#[1-5]|L[0-7]"),
    ),
)


def parse_schedule(value: object) -> object:
    """Lets null, Airflow's presets and five-field cron through. Raises ValueError for anything else."""
    if value is None or value in PRESETS:
        return value
    fields = str(value).split()
    if len(fields) == len(_FIELDS):
        mistakes = [field.mistake(text) for field, text in zip(_FIELDS, fields, strict=True)]
        if not any(mistakes):
            return value
        raise ValueError("; ".join(filter(None, mistakes)))
    meant = near_miss(value, PRESETS)
    remedy = f'write five cron fields, for example "0 2 * * *", or one of {", ".join(PRESETS)}'
    raise ValueError(f"it is no schedule; {remedy}." + (f" Did you mean {meant}?" if meant else ""))
