"""How a stage that needs Spark says so: what it can do without is done first, in the process that asked."""

from __future__ import annotations

from pressrun.config.environment import Environment


class NeedsPlatform(Exception):
    """The stage has come to what the environment's Spark platform is for. Whoever called it starts a job there.

    By then the stage has found that it has not finished, that no other step has done the same, and that there is
    something to do.
    """


def demand_platform(environment: Environment) -> None:
    """Raises NeedsPlatform where the environment's Spark jobs run outside this process."""
    if environment.spark.elsewhere:
        raise NeedsPlatform(environment.spark.platform.kind)
