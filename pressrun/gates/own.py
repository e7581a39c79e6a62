"""The user's own checks: `gate.checks: [package.module:Name]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from pressrun.config.load import resolve_uses
from pressrun.config.pipeline import Gate
from pressrun.gates.evidence import Evidence
from pressrun.verdict import Assertion, Check, Comparison, Decision


class GateCheck(Protocol):
    """A function, or a class made with no arguments. `pressrun.gates.conformance` tests one."""

    def __call__(self, evidence: Evidence, policy: Gate) -> Iterable[Check]:
        """The checks to add to the verdict."""
        ...


def own_checks(evidence: Evidence, policy: Gate) -> Iterator[Check]:
    """What the user's own checks say; one that fails to run is an error, never a pass."""
    for uses in policy.checks:
        yield from run_own(uses, evidence, policy)


def run_own(uses: str, evidence: Evidence, policy: Gate) -> list[Check]:
    """Runs one own check by name."""
    try:
        found = resolve_uses(uses, GateCheck)
        check = found() if isinstance(found, type) else found
        said = list(check(evidence, policy))
    except Exception as error:
        return [_error(uses, f"it raised {type(error).__name__}: {error}")]
    wrong = [type(item).__name__ for item in said if not isinstance(item, Assertion | Comparison)]
    return [_error(uses, f"it must give Comparison or Assertion, it gave {wrong[0]}")] if wrong else said


def _error(uses: str, reason: str) -> Assertion:
    return Assertion(metric=uses, decision=Decision.ERROR, reason=f"own check {uses}: {reason[:300]}")
