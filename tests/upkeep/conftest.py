"""A home whose lake remembers nothing but what somebody needs."""

from __future__ import annotations

from datetime import timedelta

from pressrun.config.environment import Environment, LakeRetention

NOTHING = LakeRetention(log=0, files=0, transactions=0)
NO_GRACE = timedelta(0)


def forgetful(environment: Environment) -> Environment:
    """The same with the retention set to nothing."""
    return environment.model_copy(update={"lake": environment.lake.model_copy(update={"retention": NOTHING})})
