from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.agreement import Expected
from pressrun.config.pipeline import Gate, NamedOwn, Own
from pressrun.gates import Evidence, gate_files, judge_predictions
from pressrun.gates.conformance import assert_gate_check, example_evidence
from pressrun.gates.evidence import Said, expected_of
from pressrun.gates.judge import judge
from pressrun.verdict import Assertion, Check, Decision

TOPICS = ("World", "Sports", "Business")
POLICY = Gate(bootstrap=400, slices=["source", "section"])


def _rows(accuracy: float, *, rows: int = 600, seed: int = 1, spoilt: str | None = None) -> pa.Table:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(rows):
        target = TOPICS[number % 3]
        right = rng.random() < accuracy and not (target == spoilt and rng.random() < 0.6)
        label = target if right else TOPICS[(number + 1) % 3]
        probabilities = {topic: (accuracy if topic == label else (1 - accuracy) / 2) for topic in TOPICS}
        source = ("wire", "desk")[number % 2]
        made.append(
            {
                "article_id": f"a{number}",
                "target": target,
                "label": label,
                "probabilities": probabilities,
                "source": source,
            }
        )
    return pa.Table.from_pylist(made)


def _check(checks: tuple[Check, ...], metric: str, part: str | None = None) -> Check:
    return next(check for check in checks if check.metric == metric and (part is None or check.slice == part))


def test_an_equal_or_better_candidate_passes() -> None:
    verdict = judge_predictions(_rows(0.92), _rows(0.85, seed=2), policy=POLICY)
    assert verdict.decision is Decision.PASS, [check.reason for check in verdict.decisive]
    assert _check(verdict.checks, "macro_f1").samples == 600


def test_one_spoilt_topic_fails_and_is_named() -> None:
    verdict = judge_predictions(_rows(0.92, spoilt="Sports"), _rows(0.92, seed=2), policy=POLICY)
    assert verdict.decision is Decision.FAIL
    assert _check(verdict.checks, "f1", "Sports").decision is Decision.FAIL
    assert any("Sports" in check.reason for check in verdict.decisive)


def test_with_no_champion_floors_alone_decide() -> None:
    assert judge_predictions(_rows(0.92), policy=POLICY).decision is Decision.PASS
    poor = judge_predictions(_rows(0.6), policy=POLICY)
    assert _check(poor.checks, "macro_f1").decision is Decision.FAIL


def test_too_few_true_labels_are_insufficient_and_say_what_to_do() -> None:
    verdict = judge_predictions(_rows(0.92, rows=41), policy=POLICY)
    assert verdict.decision is Decision.INSUFFICIENT
    assert verdict.checks[0].reason == "41 audited articles, 100 needed. Label more articles or lower gate.min_audited."
    assert judge_predictions(_rows(0.92, rows=0), policy=POLICY).decision is Decision.INSUFFICIENT


def test_what_rows_cannot_show_is_insufficient_not_a_pass() -> None:
    verdict = judge_predictions(_rows(0.85, rows=120), _rows(0.85, rows=120, seed=2), policy=POLICY)
    assert _check(verdict.checks, "macro_f1").decision is not Decision.ERROR
    tight = POLICY.model_copy(update={"floors": {"macro_f1": 0.86}})
    floor = judge_predictions(_rows(0.86, rows=300), policy=tight)
    assert _check(floor.checks, "macro_f1").decision is Decision.INSUFFICIENT


def test_absent_and_small_slices_say_so_and_are_not_required() -> None:
    verdict = judge_predictions(_rows(0.92), _rows(0.9, seed=2), policy=POLICY)
    absent = _check(verdict.checks, "accuracy", "section")
    assert (absent.decision, absent.required) == (Decision.INSUFFICIENT, False)
    assert absent.reason == "no article has a section: nothing to compare by section"
    small = judge_predictions(_rows(0.92, rows=120), _rows(0.9, rows=120, seed=2), policy=Gate(min_audited_slice=90))
    assert "60 true-labeled articles of source=desk, 90 needed" in [check.reason for check in small.checks]


def test_a_topic_that_is_never_said_is_lost() -> None:
    rows = _rows(1.0).to_pylist()
    for row in rows:
        row["label"] = "World" if row["label"] == "Sports" else row["label"]
    verdict = judge_predictions(pa.Table.from_pylist(rows), policy=POLICY)
    assert "the candidate never says Sports" in _check(verdict.checks, "topics predicted").reason


def test_a_boastful_model_fails_on_calibration() -> None:
    rows = _rows(0.7).to_pylist()
    for row in rows:
        row["probabilities"] = {topic: float(topic == row["label"]) for topic in TOPICS}
    verdict = judge_predictions(pa.Table.from_pylist(rows), policy=POLICY)
    assert _check(verdict.checks, "calibration_error").decision is Decision.FAIL


def test_models_that_answered_different_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="champion did not answer 1 of 600"):
        judge_predictions(_rows(0.9), _rows(0.9).slice(1), policy=POLICY)
    with pytest.raises(ValueError, match="lack target"):
        judge_predictions(_rows(0.9).drop_columns(["target"]), policy=POLICY)
    with pytest.raises(ValueError, match="one row an article"):
        judge_predictions(pa.concat_tables([_rows(0.9), _rows(0.9)]), policy=POLICY)


def test_files_are_judged_as_tables_are(tmp_path: Path) -> None:
    pq.write_table(_rows(0.92), tmp_path / "candidate.parquet")
    pq.write_table(_rows(0.85, seed=2), tmp_path / "champion.parquet")
    verdict = gate_files(tmp_path / "candidate.parquet", tmp_path / "champion.parquet", policy=POLICY)
    assert verdict.decision is Decision.PASS


def test_what_the_canary_may_expect_is_how_the_two_differ_here() -> None:
    evidence = example_evidence()
    champion = evidence.champion
    assert champion is not None
    turned = champion.predicted.copy()
    turned[:3] = (turned[:3] + 1) % len(evidence.labels)
    sure, unsure = np.full((2, len(evidence), len(evidence.labels)), 0.0)
    sure[np.arange(len(evidence)), champion.predicted] = 0.9
    unsure[np.arange(len(evidence)), turned] = 0.9
    unsure[:5] /= 2
    both = replace(
        evidence, champion=Said(predicted=champion.predicted, probabilities=sure),
        candidate=Said(predicted=turned, probabilities=unsure),
    )  # fmt: skip
    rows = len(evidence)
    assert expected_of(both, below=0.5) == Expected(rows=rows, disagreement=3 / rows, abstention=5 / rows)
    silent = replace(both, champion=Said(predicted=champion.predicted))
    assert expected_of(silent, below=0.5) == Expected(rows=rows, disagreement=3 / rows)
    assert expected_of(replace(both, champion=None), below=0.5) is None


def enough_world(evidence: Evidence, policy: Gate) -> list[Check]:
    return [Assertion(metric="enough World", decision=Decision.FAIL, reason="there is no World to speak of")]


def broken(evidence: Evidence, policy: Gate) -> list[Check]:
    raise RuntimeError("out of ink")


def test_own_checks_count_and_a_broken_one_is_an_error() -> None:
    assert_gate_check(enough_world)
    own = POLICY.model_copy(update={"checks": [Own(uses=f"{__name__}:enough_world")]})
    assert _check(judge(example_evidence(), own), "enough World").decision is Decision.FAIL
    bad = POLICY.model_copy(update={"checks": [Own(uses=f"{__name__}:broken")]})
    assert "raised RuntimeError: out of ink" in judge(example_evidence(), bad)[-1].reason
    assert judge(example_evidence(), bad)[-1].decision is Decision.ERROR


def hits(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
    return float((target == predicted).mean())


class RecallOf:
    """The share of a topic's articles that are found."""

    def __init__(self, *, labels: tuple[str, ...], topic: str) -> None:
        self.topic = labels.index(topic)

    def __call__(self, target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
        held = target == self.topic
        return float((predicted[held] == self.topic).mean()) if held.any() else float("nan")


def scored(target: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray | None) -> float:
    assert probabilities is not None, "no probabilities to score"
    return float(probabilities[np.arange(len(target)), target].mean())


def with_metric(name: str, *, floor: float, margin: float = 0.05, **options: str) -> Gate:
    metric = NamedOwn(uses=f"{__name__}:{name}", name="mine", options=options)
    own = {"metrics": [metric], "floors": {"mine": floor}, "non_inferiority": {"mine": margin}}
    return Gate.model_validate({**POLICY.model_dump(), **own})


def test_own_metrics_are_judged_by_floors_and_non_inferiority_as_the_built_in_ones_are() -> None:
    policy = with_metric("hits", floor=0.8)
    built_in = policy.model_copy(update={"floors": {"accuracy": 0.8}, "non_inferiority": {"accuracy": 0.05}})
    candidate, champion = _rows(0.92), _rows(0.85, seed=2)
    own = judge_predictions(candidate, champion, policy=policy).checks[:2]
    peer = judge_predictions(candidate, champion, policy=built_in).checks[:2]
    for mine, theirs in zip(own, peer, strict=True):
        assert mine.metric == "mine"
        assert mine.decision is theirs.decision is Decision.PASS
        for number in ("candidate", "champion", "difference", "threshold", "samples", "alpha", "method"):
            assert getattr(mine, number) == getattr(theirs, number), number
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)  # type: ignore[union-attr]


def test_an_own_metric_knows_the_topics_and_stops_who_loses_one() -> None:
    spoilt, fine = _rows(0.92, spoilt="Sports"), _rows(0.92, seed=2)
    sports = with_metric("RecallOf", floor=0.5, topic="Sports")
    verdict = judge_predictions(spoilt, fine, policy=sports)
    assert [check.decision for check in verdict.checks if check.metric == "mine"] == [Decision.FAIL, Decision.FAIL]
    world = with_metric("RecallOf", floor=0.5, topic="World")
    assert _check(judge_predictions(spoilt, fine, policy=world).checks, "mine").decision is Decision.PASS


def test_an_own_metric_is_given_the_probabilities() -> None:
    rows = _rows(0.92)
    policy = with_metric("scored", floor=0.5)
    assert _check(judge_predictions(rows, policy=policy).checks, "mine").decision is Decision.PASS
    bare = judge_predictions(rows.drop_columns(["probabilities"]), policy=policy)
    broken = _check(bare.checks, "mine")
    assert (broken.decision, bare.decision) == (Decision.ERROR, Decision.ERROR)
    assert "raised AssertionError: no probabilities to score" in broken.reason


def test_an_own_metric_that_is_not_there_is_an_error_and_no_pass() -> None:
    verdict = judge_predictions(_rows(0.92), policy=with_metric("nowhere", floor=0.5))
    assert verdict.decision is Decision.ERROR
    assert "has no nowhere" in _check(verdict.checks, "mine").reason


def test_a_metric_is_refused_by_what_it_was_named_for() -> None:
    with pytest.raises(ValueError, match="there is no metric mine"):
        Gate(floors={"mine": 0.5})


def loud(evidence: Evidence, policy: Gate) -> list[Check]:
    raise ConnectionError("refused: https://desk:canary@newswire.example " + "x" * 300)


def test_an_own_check_that_quotes_a_secret_is_quoted_without_it() -> None:
    own = POLICY.model_copy(update={"checks": [Own(uses=f"{__name__}:loud")]})
    reason = judge(example_evidence(), own)[-1].reason
    assert "raised ConnectionError: refused: https://***@newswire.example xxx" in reason
    assert len(reason) < 400
