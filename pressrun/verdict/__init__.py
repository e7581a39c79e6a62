"""One type for every judgement, and how people read it."""

from pressrun.verdict.model import FORCED, Assertion, Check, Comparison, Decision, Verdict, VerdictKind, decide
from pressrun.verdict.override import OVERRIDDEN, Override

__all__ = [
    "FORCED",
    "OVERRIDDEN",
    "Assertion",
    "Check",
    "Comparison",
    "Decision",
    "Override",
    "Verdict",
    "VerdictKind",
    "decide",
]
