"""The places of a model's rollouts, each tried by itself: one that does not answer keeps nothing from the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from pressrun.config.environment import Environment
from pressrun.rollout.record import StaleRecord
from pressrun.rollout.records import Records, places, records_at
from pressrun.rollout.types import RolloutRecord

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class Everywhere:
    """An environment's clusters, the first one leading, or `here`; `failed` says which did not answer, and why."""

    def __init__(self, environment: Environment) -> None:
        self.failed: dict[str, Exception] = {}
        self._environment, self._names = environment, places(environment)

    def ask(self, name: str, question: Callable[[Records], Answer]) -> Answer | None:
        """What the place of that name answers; None when it does not, and `failed` tells why."""
        try:
            return question(records_at(self._environment, name))
        except Exception as error:
            self.failed[name] = error
            return None

    def ask_all(self, question: Callable[[Records], Answer]) -> dict[str, Answer | None]:
        """What each place answers, in their order."""
        return {name: self.ask(name, question) for name in self._names}

    def read(self, model: str) -> dict[str, RolloutRecord | None]:
        """Each place's record of the model, in their order; None where it has none or is in `failed`."""
        return self.ask_all(lambda records: records.read(model))

    def bear(self) -> None:
        """Logs failures that pass by themselves. Raises the first that does not."""
        for name, error in self.failed.items():
            if not isinstance(error, passing(self._environment)):
                raise error
            _log.warning("cluster %s is left out for now: %s", name, error)

    def confess(self) -> None:
        """Raises when a place failed: of several Unreachable, or Refused where trying again is of no use."""
        if not self.failed:
            return
        first = next(iter(self.failed.values()))
        if len(self._names) == 1:
            raise first
        from pressrun.rollout.kubernetes.cluster import Refused, Unreachable

        hopeless = [e for e in self.failed.values() if not isinstance(e, passing(self._environment))]
        raise (Refused if hopeless else Unreachable)(self._words()) from first

    def _words(self) -> str:
        said = "; ".join(f"cluster {name}: {error}" for name, error in self.failed.items())
        others = ", ".join(name for name in self._names if name not in self.failed)
        return f"{said}. {f'Heard by {others}' if others else 'No cluster heard it'}: try again"


def passing(environment: Environment) -> tuple[type[Exception], ...]:
    """Failures of a place that pass by themselves: whoever waits goes on waiting."""
    if environment.kubernetes is None:
        return (StaleRecord,)
    from pressrun.rollout.kubernetes.cluster import Unreachable

    return (StaleRecord, Unreachable)
