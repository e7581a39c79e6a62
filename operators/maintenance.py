"""The lake's maintenance as a task, and a watch over the alerts that tell of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.base import hide_secrets, truth
from operators.errors import AlertsStuck

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaintenanceOperator(BaseOperator):
    """Compacts, checkpoints and cleans every table of the lake; what a registered model stands on stays.

    :param environment: where it runs, a name in config/environments; by default the process's own
    :param only_look: say what would be done, and change nothing
    """

    template_fields: Sequence[str] = ("environment", "only_look")
    ui_color = "#e8f7ec"

    def __init__(self, *, environment: str | None = None, only_look: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.only_look = only_look

    def execute(self, context: Context) -> dict[str, Any]:
        """What was freed (bytes) and for whom how many versions were kept. Raises RegistryError with MLflow away."""
        from pressrun.config.load import load_environment
        from pressrun.upkeep.maintenance import in_words, maintain

        place = load_environment(self.environment)
        hide_secrets()
        done = maintain(place, dry_run=truth(self.only_look), progress=self._progress)
        for line in in_words(done):
            self.log.info("%s", line)
        return {"freed": done.freed, "kept_for": done.kept_for, "lost": done.lost}

    def _progress(self, message: str, done: int = 0, total: int | None = None) -> None:
        self.log.info("%s%s", message, f" {done}/{total}" if total else "")


class AlertsArriveOperator(BaseOperator):
    """Fails when a message has lain undelivered for too long, or none would arrive; else gives a heartbeat.

    An alert about broken alerts would not arrive, so this shows where people look anyway: a failed task, the model's
    page, and a heartbeat that whoever watches from outside misses. See `pressrun.alerts.watch`.

    :param environment: where it runs, a name in config/environments; by default the process's own
    :param hours: how long a message may lie
    """

    template_fields: Sequence[str] = ("environment", "hours")
    ui_color = "#e8f7ec"

    def __init__(self, *, environment: str | None = None, hours: float | str = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.hours = hours

    def execute(self, context: Context) -> str:
        """When the heartbeat was given. Raises AlertsStuck naming the messages and what the last attempt met."""
        from datetime import timedelta

        from pressrun.alerts import deliver
        from pressrun.alerts.watch import beat, in_words, stuck, unheard
        from pressrun.config.load import load_environment, load_pipeline, pipeline_files

        place = load_environment(self.environment)
        hide_secrets()
        deliver(place)
        if found := stuck(place, allowed=timedelta(hours=float(self.hours))):
            raise AlertsStuck(in_words(found))
        channels = {load_pipeline(file).alerts.slack for file in pipeline_files()}
        if why := unheard(place, [channel for channel in channels if channel]):
            raise AlertsStuck(why)
        return beat(place).isoformat()
