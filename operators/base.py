"""`StageOperator`: one stage of a loop as one task. The stages themselves are plain Python in `pressrun`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from operators.clusters import connect_clusters
from operators.errors import NotUsable, PlatformRefused, VerdictStopped
from operators.links import ModelPageLink
from operators.tell import tell_verdict
from operators.words import last_line
from pressrun.links import stage_links
from pressrun.results import in_words

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from pressrun.config.environment import Environment
    from pressrun.config.pipeline import Pipeline
    from pressrun.environments.run import Placed
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class StageOperator(BaseOperator):
    """Runs one stage and hands its result on as XCom.

    The step's key is (dag_id, run_id, task_id, map_index): a retry finds what an earlier try has committed, and a step
    that had finished hands on what it did. Clearing the task asks for it anew: it is done again if its inputs, config
    or code have changed since, or a verdict had stopped it, and then replaces what it did.

    :param pipeline: the model's pipeline file, a path or the name of a file in config/pipelines
    :param environment: where it runs, a name in config/environments; by default the process's own
    :param fresh: do the work again even when an earlier run has done the very same
    :param sample_rows: how many articles to sample instead of what the pipeline file says
    :param upstream: results of the stages named in `needs`, as `XComArg` or as JSON
    """

    template_fields: Sequence[str] = ("pipeline", "environment", "fresh", "sample_rows", "upstream")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (ModelPageLink(),)
    ui_color = "#e8eef7"
    needs: ClassVar[tuple[str, ...]] = ()
    stage: ClassVar[str] = ""
    always_tells: ClassVar[bool] = False

    def __init__(
        self,
        *,
        pipeline: str,
        environment: str | None = None,
        fresh: bool | str = False,
        sample_rows: int | str | None = None,
        upstream: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.environment = environment
        self.fresh = fresh
        self.sample_rows = sample_rows
        self.upstream = upstream or {}
        self.links: dict[str, str] = {}
        self._outcome: tuple[StageResult, Environment] | None = None
        self._placed: Placed | None = None
        if missing := [name for name in self.needs if name not in self.upstream]:
            raise ValueError(f"{type(self).__name__} {self.task_id!r} needs upstream {', '.join(missing)}")

    @abstractmethod
    def work(self, step: Step) -> StageResult:
        """Calls the stage."""

    def execute(self, context: Context) -> Any:
        step = self.step(context)
        return self.conclude(self.carry_out(step), step, context)

    def carry_out(self, step: Step) -> StageResult:
        """Does the work in this process, or in one of its own where the environment's file names one for the stage.

        Raises PlatformRefused when what the file says cannot be had.
        """
        from pressrun.compute import ConfigurationFailed
        from pressrun.environments.run import Placed

        placed = Placed(step=step, stage=self.stage, upstream=[self.result(name) for name in self.needs])
        self._placed = placed
        try:
            return placed.run(lambda: self.work(step))
        except ConfigurationFailed as error:
            raise PlatformRefused(str(error)) from error

    def step(self, context: Context) -> Step:
        """This task's step, from the files as they are now. Raises NotUsable naming file, line and key."""
        from pressrun.config.problems import ConfigError

        try:
            step = self._step(context)
        except ConfigError as error:
            raise NotUsable(str(error)) from error
        hide_secrets()
        return step

    def conclude(self, result: StageResult, step: Step, context: Context) -> dict[str, Any]:
        """Tells people of the verdict, sets the links and hands the result on. Raises VerdictStopped unless a pass."""
        self.links = stage_links(result, step.environment, step.pipeline.model)
        self._outcome = (result, step.environment)
        if result.reused_from:
            self.log.info("Reused what %s has done: same inputs, config and code", result.reused_from)
        self.log.info("%s: %s", result.stage, in_words(result))
        if result.verdict:
            self._judge(result, step, context)
        return result.model_dump(mode="json")

    def result(self, name: str) -> StageResult:
        """What the upstream stage handed on."""
        from pressrun.lake.types import StageResult

        return StageResult.model_validate(self.upstream[name])

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Called by the OpenLineage provider, where there is one: what this try read and wrote."""
        from operators.lineage import lineage_of

        if self._outcome is None:
            return None
        result, environment = self._outcome
        return lineage_of(result, [self.result(name) for name in self.upstream], environment)

    def on_kill(self) -> None:
        if self._placed is not None:
            self._placed.stop()
        self.log.warning("Stopped. What was committed stays; clear this task to go on from there.")

    def _judge(self, result: StageResult, step: Step, context: Context) -> None:
        from pressrun.verdict import Decision

        verdict = result.verdict
        assert verdict is not None
        passed = verdict.decision is Decision.PASS
        if self.always_tells or not passed:
            tell_verdict(verdict, step, links=self.links, run_id=step.key.run_id)
        if not passed:
            raise VerdictStopped(last_line(verdict, self._pipeline_file()))

    def _step(self, context: Context) -> Step:
        from pressrun.config.load import load_environment
        from pressrun.step import Step, open_lake

        environment: Environment = load_environment(self.environment)
        connect_clusters(environment)
        return Step(
            key=step_key(context),
            pipeline=self._pipeline(),
            environment=environment,
            lake=open_lake(environment),
            fresh=truth(self.fresh),
            progress=self._progress,
            asked=asked(context, retries=self.retries or 0),
        )

    def _pipeline(self) -> Pipeline:
        from pressrun.config.load import load_pipeline

        pipeline = load_pipeline(self.pipeline)
        if self.sample_rows in (None, "", "None"):
            return pipeline
        sample = pipeline.sample.model_copy(update={"rows": int(str(self.sample_rows))})
        return pipeline.model_copy(update={"sample": sample})

    def _pipeline_file(self) -> str:
        from pressrun.config.find import find_config

        return str(find_config("pipelines", self.pipeline))

    def _progress(self, message: str, done: int = 0, total: int | None = None) -> None:
        self.log.info("%s%s", message, f" {done}/{total}" if total else f" {done}" if done else "")


def step_key(context: Context) -> Any:
    """The key of the task in `context`; the same for every try."""
    from pressrun.lake.types import StepKey

    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return StepKey(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=map_index)


def asked(context: Context, *, retries: int) -> str:
    """Names the clear that this try and the retries after it come from; "" for a task that was never cleared.

    Airflow counts a cleared task's tries on, and raises what it may have at most by its retries.
    """
    tries_before: int = context["ti"].max_tries - retries
    return f"cleared after try {tries_before}" if tries_before > 0 else ""


def hide_secrets() -> None:
    """Has Airflow mask the secrets known by now in the task's log: a traceback quotes what a library was given."""
    from airflow.sdk.log import mask_secret

    from pressrun.config.redact import secret_values

    for value in secret_values():
        mask_secret(value)


def truth(value: bool | str) -> bool:
    """A flag from Python or from a rendered template."""
    return value if isinstance(value, bool) else value.strip().lower() in ("true", "1", "yes")
