"""What deferred tasks wait for. Polled in threads: the triggerer's event loop never blocks on a file or a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from operators.clusters import connect_clusters
from operators.tell import tell_rollout

if TYPE_CHECKING:
    from pressrun.compute.watch import Watch
    from pressrun.config.environment import Environment
    from pressrun.rollout import Vigil


class PeopleTrigger(BaseTrigger):
    """Fires when no question of the step waits for a person any more, or at the deadline."""

    def __init__(
        self, *, environment: str | None, step_key: str, deadline: str | None, poll_seconds: float = 15
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.environment = environment
        self.step_key = step_key
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "operators.triggers.PeopleTrigger", {
            "environment": self.environment,
            "step_key": self.step_key,
            "deadline": self.deadline,
            "poll_seconds": self.poll_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while (waiting := await asyncio.to_thread(self._waiting)) and not past(self.deadline):  # noqa: ASYNC110
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent({"waiting": waiting})  # type: ignore[no-untyped-call]

    def _waiting(self) -> int:
        from pressrun.config.load import load_environment
        from pressrun.labeling import waiting

        return waiting(load_environment(self.environment), self.step_key)


class RolloutTrigger(BaseTrigger):
    """Fires when the rollout that this step submitted has ended, or cannot since no supervisor runs it.

    What happens meanwhile goes into the version's thread. Without a supervisor for `patience_seconds` its event has no
    phase and says what to do. Killing or clearing the task rolls back.
    """

    def __init__(
        self,
        *,
        environment: str | None,
        model: str,
        step_key: str,
        pipeline: str | None = None,
        poll_seconds: float = 5,
        patience_seconds: float = 600,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.environment = environment
        self.model = model
        self.step_key = step_key
        self.pipeline = pipeline
        self.poll_seconds = poll_seconds
        self.patience_seconds = patience_seconds
        self._told: set[str] = set()
        self._vigil: Vigil | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "operators.triggers.RolloutTrigger", {
            "environment": self.environment,
            "model": self.model,
            "step_key": self.step_key,
            "pipeline": self.pipeline,
            "poll_seconds": self.poll_seconds,
            "patience_seconds": self.patience_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while not (seen := await asyncio.to_thread(self._seen)):  # noqa: ASYNC110
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent(seen)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        await asyncio.to_thread(self.abort)

    def _seen(self) -> dict[str, str | None] | None:
        """The event, once there is one."""
        from pressrun.config.load import load_environment
        from pressrun.rollout import NobodySupervises, carry_on

        environment = load_environment(self.environment)
        connect_clusters(environment)
        carry_on(environment, self.model, self.step_key)
        if self.pipeline is not None:
            tell_rollout(environment, self.pipeline, self.step_key, self._told)
        if phase := self._ended(environment):
            return {"phase": phase}
        try:
            self._watched(environment).look()
        except NobodySupervises as error:
            return {"phase": None, "unsupervised": str(error)}
        return None

    def _ended(self, environment: Environment) -> str | None:
        from pressrun.rollout import outcome

        ended = outcome(environment, self.model, self.step_key)
        return ended.phase.value if ended else None

    def _watched(self, environment: Environment) -> Vigil:
        from pressrun.rollout import Vigil

        if self._vigil is None:
            self._vigil = Vigil(environment, self.model, patience=timedelta(seconds=self.patience_seconds))
        return self._vigil

    def abort(self) -> None:
        """Writes one intent to abort; the controller rolls back, and a later try begins anew."""
        from pressrun.config.load import load_environment
        from pressrun.rollout import abort

        environment = load_environment(self.environment)
        connect_clusters(environment)
        reason = "the Airflow task was stopped or cleared"
        abort(environment, self.model, actor="airflow", reason=reason, step_key=self.step_key)


class JobTrigger(BaseTrigger):
    """Fires when the step's job has ended, or its platform could not be asked for `patience_seconds`.

    How it stands goes into the ledger at each look. Killing or clearing the task cancels the job.
    """

    def __init__(
        self,
        *,
        environment: str | None,
        step_key: str,
        stage: str = "",
        aws_conn_id: str | None = None,
        gcp_conn_id: str | None = None,
        kubernetes_conn_id: str | None = None,
        poll_seconds: float = 10,
        patience_seconds: float = 600,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.environment = environment
        self.step_key = step_key
        self.stage = stage
        self.conn_ids = {
            "aws_conn_id": aws_conn_id,
            "gcp_conn_id": gcp_conn_id,
            "kubernetes_conn_id": kubernetes_conn_id,
        }
        self.poll_seconds = poll_seconds
        self.patience_seconds = patience_seconds
        self._watch: Watch | None = None
        self._told = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "operators.triggers.JobTrigger", {
            "environment": self.environment,
            "step_key": self.step_key,
            "stage": self.stage,
            **self.conn_ids,
            "poll_seconds": self.poll_seconds,
            "patience_seconds": self.patience_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while not (seen := await asyncio.to_thread(self._seen)):  # noqa: ASYNC110
            await asyncio.sleep(self.poll_seconds)
        yield TriggerEvent(seen)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        await asyncio.to_thread(self.cancel)

    def cancel(self) -> None:
        """Has the platform end the job; the next try starts it again."""
        self._watched().jobs.cancel(self.step_key)

    def _seen(self) -> dict[str, str] | None:
        """The event, once there is one."""
        from pressrun.compute import ComputeError
        from pressrun.compute.watch import in_words

        try:
            watch = self._watched()
            entered = watch.jobs.ledger.newest(self.step_key)
            if entered is None or not entered.handle:
                return {"state": "unknown"}
            entered = watch.look(entered)
        except ComputeError as error:
            return {"unreachable": str(error)}
        if (words := in_words(entered)) != self._told:
            # The triggerer's log is the task's: whoever waits sees how far the job is.
            self.log.info("%s", words)
            self._told = words
        return {"state": entered.state} if entered.ended else None

    def _watched(self) -> Watch:
        from operators.platforms import HookClients, connected_platform
        from pressrun.compute.watch import Jobs, Watch
        from pressrun.config.load import load_environment

        if self._watch is None:
            environment = load_environment(self.environment)
            platform = connected_platform(environment, HookClients(**self.conn_ids), stage=self.stage)
            patience = timedelta(seconds=self.patience_seconds)
            self._watch = Watch(jobs=Jobs.of(environment, platform), patience=patience)
        return self._watch


def past(deadline: str | None) -> bool:
    """Whether the ISO 8601 time has come; None never comes."""
    return deadline is not None and datetime.now(UTC) >= datetime.fromisoformat(deadline)
