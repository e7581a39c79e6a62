"""Tells the model's channel that a task failed for another reason than a verdict, which tells for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from operators.errors import VerdictStopped
from operators.tell import say

if TYPE_CHECKING:
    from airflow.sdk import Context

_MOST = 500  # characters of an error: the task's log has all of it


class PressrunNotifier(BaseNotifier):
    """For `on_failure_callback` and the like. Of an error it tells the first line, with secrets masked.

    :param pipeline: the model's pipeline file, a path or a name
    :param environment: a name in config/environments; by default the process's own
    :param text: the message, a template
    """

    template_fields: Sequence[str] = ("pipeline", "environment", "text")

    def __init__(
        self,
        *,
        pipeline: str,
        environment: str | None = None,
        text: str = "{{ dag.dag_id }}: task {{ ti.task_id }} failed in {{ run_id }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.environment = environment
        self.text = text

    def notify(self, context: Context) -> None:
        from pressrun.config.load import load_environment, load_pipeline

        if isinstance(context.get("exception"), VerdictStopped):
            return
        environment, pipeline = load_environment(self.environment), load_pipeline(self.pipeline)
        run_id = context["run_id"]
        say(environment, pipeline, key=_key(context), thread=f"{pipeline.model} {run_id}", text=self._words(context))

    async def async_notify(self, context: Context) -> None:
        await asyncio.to_thread(self.notify, context)

    def _words(self, context: Context) -> str:
        from pressrun.config.redact import redacted

        error = context.get("exception")
        if not error:
            return self.text
        # Masked before it is cut: half a token looks like none.
        line = next(iter(redacted(str(error)).splitlines()), "")
        return f"{self.text}: {type(error).__name__}: {line[:_MOST]}"


def _key(context: Context) -> str:
    """One message a failed try, however often the callback runs."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}/failed/{ti.try_number}"
