"""One type for every judgement, and how people read it."""

from pressrun.verdict.model import Assertion, Check, Comparison, Decision, Verdict, VerdictKind, decide
from pressrun.verdict.override import Override

__all__ = ["Assertion", "Check", "Comparison", "Decision", "Override", "Verdict", "VerdictKind", "decide"]
