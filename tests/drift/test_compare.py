from pathlib import Path

import pyarrow as pa
import pytest

from pressrun.config.pipeline import Drift, Own
from pressrun.drift import compare
from pressrun.drift.conformance import assert_drift_test, example_predictions
from pressrun.drift.profile import Profile, evidently_profile, harmless
from pressrun.drift.window import Window, window_of
from pressrun.verdict import Assertion, Check, Decision


def _still(reference: Window, current: Window, *, report: Path | None) -> Profile:
    return Profile(distances={"tokens": 0.02, "title": 0.01}, drifted=())


def _moved(reference: Window, current: Window, *, report: Path | None) -> Profile:
    return Profile(distances={"tokens": 0.4}, drifted=("tokens",))


def test_like_windows_pass() -> None:
    verdict = compare(example_predictions(seed=1), example_predictions(seed=2), policy=Drift(), profiler=_still)
    assert verdict.decision is Decision.PASS


def test_a_topic_that_grew_fails_and_is_named() -> None:
    current = example_predictions(seed=2, world=0.6)
    verdict = compare(example_predictions(seed=1), current, policy=Drift(), profiler=_still)
    assert verdict.decision is Decision.FAIL
    assert [check.metric for check in verdict.decisive] == ["topic_share_change"]
    assert verdict.decisive[0].reason.startswith("World's share 2")


def test_confidence_that_fell_fails() -> None:
    current = example_predictions(seed=2, confidence=0.6)
    verdict = compare(example_predictions(seed=1), current, policy=Drift(), profiler=_still)
    assert [check.metric for check in verdict.decisive] == ["confidence_change"]


def test_features_that_moved_fail_and_are_named() -> None:
    current = example_predictions(seed=2, tokens=90)
    verdict = compare(example_predictions(seed=1), current, policy=Drift(), profiler=_moved)
    assert verdict.decision is Decision.FAIL
    assert verdict.decisive[0].reason == "1 of 1 features drifted: tokens; a share of 0.5 allowed"


def test_features_that_may_have_moved_by_chance_are_no_drift() -> None:
    verdict = compare(example_predictions(seed=1), example_predictions(seed=2), policy=Drift(), profiler=_moved)
    assert verdict.decision is Decision.INSUFFICIENT
    assert verdict.decisive[0].reason.startswith("1 of 1 features drifted: tokens; 1 of them perhaps by chance")


def test_little_traffic_is_insufficient_and_evidently_is_not_asked() -> None:
    def never(reference: Window, current: Window, *, report: Path | None) -> Profile:
        raise AssertionError

    verdict = compare(example_predictions(), example_predictions(rows=12), policy=Drift(), profiler=never)
    assert verdict.decision is Decision.INSUFFICIENT
    assert verdict.checks[0].reason.startswith("12 predictions in the current window, 200 needed")


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="reference lacks confidence"):
        compare(pa.table({"label": ["a"]}), example_predictions(), policy=Drift(), profiler=_still)


def never_well(reference: pa.Table, current: pa.Table, policy: Drift) -> list[Check]:
    return [Assertion(metric="mood", decision=Decision.FAIL, reason="it does not feel right")]


def test_own_tests_count_and_a_missing_one_is_an_error() -> None:
    assert_drift_test(never_well)
    for name, decision in {"never_well": Decision.FAIL, "nowhere": Decision.ERROR}.items():
        policy = Drift(tests=[Own(uses=f"{__name__}:{name}")])
        verdict = compare(example_predictions(seed=1), example_predictions(seed=2), policy=policy, profiler=_still)
        assert verdict.decision is decision


def loud(reference: pa.Table, current: pa.Table, policy: Drift) -> list[Check]:
    raise ConnectionError("refused: https://desk:canary@newswire.example")


def test_an_own_test_that_raises_is_an_error_quoted_without_its_secrets() -> None:
    policy = Drift(tests=[Own(uses=f"{__name__}:loud")])
    verdict = compare(example_predictions(seed=1), example_predictions(seed=2), policy=policy, profiler=_still)
    assert verdict.decision is Decision.ERROR
    assert verdict.decisive[0].reason.endswith("raised ConnectionError: refused: https://***@newswire.example")


@pytest.mark.slow
def test_evidently_names_what_drifted_in_a_report_that_runs_nothing_of_ours(tmp_path: Path) -> None:
    reference, current = example_predictions(seed=1), example_predictions(seed=2)
    hostile = current.set_column(1, "label", [["</script><script>alert(1)</script>"] * len(current)])
    longer = [[("tokens", value + 60) for _, value in row] for row in hostile["features"].to_pylist()]
    moved = hostile.set_column(3, "features", pa.array(longer, pa.map_(pa.string(), pa.float64())))
    report = tmp_path / "drift.html"
    profile = evidently_profile(window_of(reference), window_of(moved), report=report)
    assert profile.drifted == ("tokens",)
    page = report.read_text()
    assert "script><script>alert" not in page
    assert harmless("</script>") in page or "\\u2039/script\\u203a" in page
    assert '<script src="http' not in page
