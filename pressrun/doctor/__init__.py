"""What must hold before the first run: connections, permissions, versions and quotas, each with its remedy."""

from pressrun.doctor.examine import examine
from pressrun.doctor.found import Found, State

__all__ = ["Found", "State", "examine"]
