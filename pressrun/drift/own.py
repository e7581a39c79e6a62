"""The user's own drift tests: `drift.tests: [package.module:Name]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from pressrun.config.load import resolve_uses
from pressrun.config.pipeline import Drift
from pressrun.verdict import Assertion, Check, Comparison, Decision


class DriftTest(Protocol):
    """A function, or a class made with no arguments. `pressrun.drift.conformance` tests one."""

    def __call__(self, reference: pa.Table, current: pa.Table, policy: Drift) -> Iterable[Check]:
        """The checks to add to the verdict, from rows of the table `predictions`."""
        ...


def own_tests(reference: pa.Table, current: pa.Table, policy: Drift) -> Iterator[Check]:
    """What the user's own tests say; one that fails to run is an error, never a pass."""
    for uses in policy.tests:
        yield from _run(uses, reference, current, policy)


def _run(uses: str, reference: pa.Table, current: pa.Table, policy: Drift) -> list[Check]:
    try:
        found = resolve_uses(uses, DriftTest)
        test = found() if isinstance(found, type) else found
        said = list(test(reference, current, policy))
    except Exception as error:
        return [_error(uses, f"it raised {type(error).__name__}: {error}")]
    wrong = [type(item).__name__ for item in said if not isinstance(item, Assertion | Comparison)]
    return [_error(uses, f"it must give Comparison or Assertion, it gave {wrong[0]}")] if wrong else said


def _error(uses: str, reason: str) -> Assertion:
    return Assertion(metric=uses, decision=Decision.ERROR, reason=f"own test {uses}: {reason[:300]}")
