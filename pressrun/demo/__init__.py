"""`make demo`: the whole stack on this machine and a story in five parts, each verdict computed from what happened."""

from pressrun.demo.run import DemoOptions, demo
from pressrun.demo.stack import Ports

__all__ = ["DemoOptions", "Ports", "demo"]
