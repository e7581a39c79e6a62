"""The lake's maintenance as a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.base import hide_secrets, truth

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
