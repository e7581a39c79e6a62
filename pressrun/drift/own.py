"""The user's own drift tests: `drift.tests`, each named by `uses: package.module:Name`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from pressrun.config.pipeline import Drift, Own, Pipeline
from pressrun.config.redact import redacted
from pressrun.config.uses import Finding, check_uses, make_uses
from pressrun.verdict import Assertion, Check, Comparison, Decision


class DriftTest(Protocol):
    """A function, or a class made as Name(**options). `pressrun.drift.conformance.assert_drift_test` tests one."""

    def __call__(self, reference: pa.Table, current: pa.Table, policy: Drift) -> Iterable[Check]:
        """The checks to add to the verdict, from rows of the table `predictions`."""
        ...


def own_tests(reference: pa.Table, current: pa.Table, policy: Drift) -> Iterator[Check]:
    """What the user's own tests say; one that fails to run is an error, never a pass."""
    for spec in policy.tests:
        yield from _tested(spec, reference, current, policy)


def _tested(spec: Own, reference: pa.Table, current: pa.Table, policy: Drift) -> list[Check]:
    try:
        said = list(make_uses(spec.uses, DriftTest, spec.options)(reference, current, policy))
        wrong = [type(item).__name__ for item in said if not isinstance(item, Assertion | Comparison)]
        if wrong:
            raise TypeError(f"it must give Comparison or Assertion, it gave {wrong[0]}")
    except Exception as error:
        reason = f"own test {spec.uses} raised {type(error).__name__}: {redacted(str(error))[:300]}"
        return [Assertion(metric=spec.uses, decision=Decision.ERROR, reason=reason)]
    return said


def precheck(pipeline: Pipeline) -> Iterator[Finding]:
    """What is wrong with `drift.tests`, told before the model has traffic."""
    for index, spec in enumerate(pipeline.drift.tests):
        yield from check_uses(("drift", "tests", index), spec.uses, spec.options, DriftTest)
