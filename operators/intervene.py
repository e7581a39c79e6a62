"""A person steps into a rollout from Airflow's UI: pause, resume, promote, force, abort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from operators.clusters import connect_clusters
from operators.errors import NotUsable
from operators.links import ModelPageLink, RolloutLink
from pressrun.links import stage_links

if TYPE_CHECKING:
    from airflow.sdk import Context


class InterveneOperator(BaseOperator):
    """Tells the rollout under way what the person who triggered this run wants; the name stays on the verdict.

    :param pipeline: the model's pipeline file, a path or the name of a file in config/pipelines
    :param wish: pause, resume, promote, force or abort
    :param reason: why, in words; it is shown wherever the decision is
    :param environment: where it runs, a name in config/environments; by default the process's own
    """

    template_fields: Sequence[str] = ("pipeline", "wish", "reason", "environment")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (RolloutLink(), ModelPageLink())
    ui_color = "#f7e8e4"

    def __init__(self, *, pipeline: str, wish: str, reason: str, environment: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.wish = wish
        self.reason = reason
        self.environment = environment
        self.links: dict[str, str] = {}

    def execute(self, context: Context) -> str:
        """Raises NotUsable when nothing is under way, or the wish or the reason is none."""
        from pressrun.config.load import load_environment, load_pipeline
        from pressrun.rollout import intervene
        from pressrun.rollout.types import WISHES

        if self.wish not in WISHES:
            raise NotUsable(f"{self.wish!r} is no wish: it is one of {', '.join(WISHES)}")
        if not self.reason.strip():
            raise NotUsable("the reason is blank: say why; it is shown wherever the decision is")
        place, model = load_environment(self.environment), load_pipeline(self.pipeline).model
        connect_clusters(place)
        self.links = stage_links(None, place, model)
        actor = (context["dag_run"].triggering_user_name or "").strip() or "airflow"
        plan = intervene(place, model, self.wish, actor=actor, reason=self.reason.strip())
        if plan is None:
            raise NotUsable(f"{model} has no rollout under way: there is nothing to {self.wish}")
        said = f"{self.wish} by {actor}: {self.reason.strip()}"
        self.log.info("Rollout %s of %s v%s: %s", plan.generation, model, plan.candidate.version, said)
        return said
