"""What one model version has cost, all of it, from the sample to the end of its rollout."""

from __future__ import annotations

from pressrun.config.environment import Environment
from pressrun.costs import Item, items_of
from pressrun.overview.compare import side_of
from pressrun.step import open_lake


def cost_of(environment: Environment, model: str, version: str) -> tuple[Item, ...]:
    """The items of the run that trained it. Raises NotComparable for a version that no run here has trained."""
    run = side_of(environment, model, version).run
    results = {done.step_key: done.result for done in run.values()}
    return items_of(open_lake(environment), environment, model, results)
