"""A machine whose clock is wrong, as a process sees it."""

from __future__ import annotations

import datetime
import sys
import time
from datetime import timedelta

_REAL = datetime.datetime


class _AnyDatetime(type):
    """Every datetime is one of these, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


def skew(by: timedelta) -> None:
    """From now on all of Pressrun in this process sees the time `by` later. What it uses must have been imported."""
    seconds = time.time

    class Skewed(datetime.datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return _REAL.now(tz) + by

    time.time = lambda: seconds() + by.total_seconds()
    for name, module in list(sys.modules.items()):
        if name.startswith("pressrun.") and getattr(module, "datetime", None) is _REAL:
            module.datetime = Skewed
