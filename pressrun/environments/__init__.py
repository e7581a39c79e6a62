"""Where a stage runs that does not run in the task's process: an environment of its own, in a process or a pod."""

from pressrun.environments.place import NeedsProcess, demand_place, runtime_of, said_where

__all__ = ["NeedsProcess", "demand_place", "runtime_of", "said_where"]
