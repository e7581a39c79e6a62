"""Looks, as a worker does, at all that the first night needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.base import hide_secrets
from operators.clusters import connect_clusters
from operators.errors import NotUsable
from operators.platforms import HookClients, connected_platform

if TYPE_CHECKING:
    from airflow.sdk import Context

_SIGNS = {"good": "✓", "doubt": "!", "bad": "✗", "skipped": "–"}


class DoctorOperator(BaseOperator):
    """Connections, rights, versions and quotas, seen from where tasks run: a terminal may have others.

    :param environment: where it runs, a name in config/environments; by default the process's own
    """

    template_fields: Sequence[str] = ("environment",)
    ui_color = "#e8f7ec"

    def __init__(self, *, environment: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment

    def execute(self, context: Context) -> list[dict[str, str]]:
        """The findings. Raises NotUsable when something stands in the way of a night."""
        from dataclasses import asdict

        from pressrun.config.load import load_environment, load_pipeline, pipeline_files
        from pressrun.doctor import examine
        from pressrun.doctor.compute import connect_by

        place = load_environment(self.environment)
        hide_secrets()
        connect_clusters(place)
        connect_by(lambda environment, **stage: connected_platform(environment, HookClients(), **stage))
        found = []
        for one in examine(place, [load_pipeline(file) for file in pipeline_files()]):
            found.append(one)
            remedy = f" → {one.remedy}" if one.remedy else ""
            self.log.info("%s %s, %s: %s%s", _SIGNS[one.state], one.area, one.what, one.words, remedy)
        if wrong := [one for one in found if one.state == "bad"]:
            more = f" (and {len(wrong) - 1} more, above)" if len(wrong) > 1 else ""
            raise NotUsable(f"{wrong[0].area}, {wrong[0].what}: {wrong[0].words}. {wrong[0].remedy}{more}")
        return [asdict(one) for one in found]
