"""Whether waiting for a rollout makes sense: not when it has concluded, nor while no supervisor holds the home."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from pressrun.config.environment import Environment, Kubernetes
from pressrun.lake.types import StageResult
from pressrun.rollout.supervisor import supervisor_alive
from pressrun.step import Step

PATIENCE = timedelta(minutes=10)


class NobodySupervises(Exception):
    """No supervisor came within the patience. A retry helps once one runs: the plan is kept, and a retry finds it."""


def concluded(step: Step) -> StageResult | None:
    """What the step's rollout came to, where nobody has asked for another since; None where it is still to be done.

    A retry must not bring back to traffic what a person has stopped.
    """
    standing = step.lake.standing(step.key)
    return standing.result if step.asked in ("", standing.asked) else None


class Vigil:
    """Asked again and again by whoever waits; its patience is spent on the time without a supervisor alone.

    `clock` gives seconds from any beginning.
    """

    def __init__(
        self,
        environment: Environment,
        model: str,
        *,
        patience: timedelta = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment, self._model, self._patience, self._clock = environment, model, patience, clock
        self._since: float | None = None

    def look(self) -> str:
        """Empty while a supervisor holds the home, else what is missing and how to start it, in words.

        Raises NobodySupervises when there has been none for as long as the patience.
        """
        missing = self.missing()
        if not missing:
            self._since = None
            return ""
        if self._since is None:
            self._since = self._clock()
        elif self._clock() - self._since >= self._patience.total_seconds():
            raise NobodySupervises(self._given_up())
        return f"{missing}. Waiting {_minutes(self._patience)} for one"

    def missing(self) -> str:
        """What is missing now, in words; empty while a supervisor holds the home or every controller works."""
        if self._environment.kubernetes is not None:
            return self._silent(self._environment.kubernetes)
        return "" if supervisor_alive(self._environment) else self._nobody()

    def _silent(self, kubernetes: Kubernetes) -> str:
        from pressrun.rollout.kubernetes.alive import silence

        said = {place.name: silence(place) for place in kubernetes.clusters}
        missing = [f"cluster {name}: {words}" for name, words in said.items() if words]
        remedy = "install it, or look at its Deployment: `pressrun controller --help`"
        return f"{'; '.join(missing)}, so nothing of {self._model} moves there: {remedy}" if missing else ""

    def _nobody(self) -> str:
        missing = f"no supervisor holds {self._environment.home}, so nothing of {self._model} moves"
        return f"{missing}: start one beside the model servers with `{start_command(self._environment)}`"

    def _given_up(self) -> str:
        kept = f"The plan is kept and goes on with one; `pressrun abort {self._model}` takes it back"
        return f"for {_minutes(self._patience)} {self.missing() or self._nobody()}, then try again. {kept}"


def start_command(environment: Environment) -> str:
    """What starts a supervisor of the environment."""
    return f"pressrun supervise --environment {environment.name}"


def _minutes(patience: timedelta) -> str:
    seconds = patience.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
