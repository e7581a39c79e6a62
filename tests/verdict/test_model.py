"""`decide`, for any set of checks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pressrun.verdict import Assertion, Decision, Verdict, decide

# How fast this machine is today says nothing about the rule.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

checks = st.lists(
    st.builds(
        Assertion, metric=st.just("m"), reason=st.just("r"), decision=st.sampled_from(Decision), required=st.booleans()
    ),
    max_size=6,
).map(tuple)


@unhurried
@given(checks)
def test_the_rule_holds_for_any_checks(given_checks: tuple[Assertion, ...]) -> None:
    required = {check.decision for check in given_checks if check.required}
    if any(check.decision is Decision.ERROR for check in given_checks):
        assert decide(given_checks) is Decision.ERROR
    elif Decision.FAIL in required:
        assert decide(given_checks) is Decision.FAIL
    else:
        assert (decide(given_checks) is Decision.PASS) == (required == {Decision.PASS})


@unhurried
@given(checks)
def test_order_does_not_matter(given_checks: tuple[Assertion, ...]) -> None:
    assert decide(given_checks) is decide(given_checks[::-1])


@unhurried
@given(checks)
def test_a_verdict_survives_json_and_names_what_decided(given_checks: tuple[Assertion, ...]) -> None:
    verdict = Verdict(kind="gate", pipeline="topics", checks=given_checks)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    if verdict.decision in (Decision.FAIL, Decision.ERROR):
        assert verdict.decisive


def test_no_checks_are_never_a_pass() -> None:
    assert decide(()) is Decision.INSUFFICIENT


def test_an_error_in_a_reason_or_a_note_brings_no_secret_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-in-a-key")
    said = "own check raised: GET http://ann:s3cret@host failed with canary-in-a-key"
    check = Assertion(metric="own", decision=Decision.ERROR, reason=said)
    verdict = Verdict(kind="gate", pipeline="topics", checks=(check,), notes=(said,))
    masked = "own check raised: GET http://***@host failed with ***"
    assert (verdict.checks[0].reason, verdict.notes) == (masked, (masked,))
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
