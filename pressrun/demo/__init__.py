"""`make demo`: the whole stack on this machine and a story in five parts, each verdict computed from what happened."""

from pressrun.demo.command import main

__all__ = ["main"]
