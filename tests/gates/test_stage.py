"""The gate on a real night: its verdict and report, what it makes of broken models, and an MLflow that is away."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pressrun.config.environment import Mlflow
from pressrun.gates import gate
from pressrun.lake.types import StageResult
from pressrun.registry import EXAMPLES_TAG, ModelRef, project_aliases
from pressrun.registry.tracking import connect
from pressrun.step import Step
from pressrun.verdict import Check, Decision, Verdict
from pressrun.verdict.policy import policy_digest
from tests.night import STAGES, Night

AWAY = Mlflow(tracking_uri="http://127.0.0.1:9")


def model_of(night: Night) -> ModelRef:
    return ModelRef.model_validate(night.results["train"].facts["model"])


def verdict_of(result: StageResult) -> Verdict:
    assert result.verdict is not None
    return result.verdict


def check(verdict: Verdict, metric: str) -> Check:
    return next(found for found in verdict.checks if found.metric == metric)


def judged(step: Step, night: Night, *, champion: ModelRef | None = None, **changed: StageResult) -> StageResult:
    """The night's candidate before a gate of the step's own, `changed` results in place of the night's."""
    upstream = night.results | changed
    return gate(step, *(upstream[name] for name in STAGES[:-1]), champion=champion)


def of_model(night: Night, model: ModelRef) -> StageResult:
    """The training of the night as if it had made another model."""
    trained = night.results["train"]
    return trained.model_copy(update={"facts": trained.facts | {"model": model.model_dump(mode="json")}})


def other(night: Night, **changed: str) -> ModelRef:
    """A champion that is another model than the candidate, by its digest alone."""
    return model_of(night).model_copy(update={"version": "7", **changed})


@pytest.fixture(scope="module")
def two(first_night: Night, tmp_path_factory: pytest.TempPathFactory) -> tuple[Night, ModelRef]:
    """A copy of the night in which a second model was registered: the same articles under other settings."""
    night = first_night.copied(tmp_path_factory.mktemp("two"))
    train = night.pipeline.train.model_copy(update={"seed": 5, "self_training": False})
    changed = replace(night, pipeline=night.pipeline.model_copy(update={"train": train}))
    for name in STAGES[:-1]:
        made = changed.run(name, "night-0")
    return night, ModelRef.model_validate(made.facts["model"])


def test_the_verdict_says_what_was_judged_by_which_policy_on_which_truth(first_night: Night) -> None:
    verdict, made = verdict_of(first_night.results["gate"]), first_night.results
    assert verdict.decision is Decision.PASS, [found.reason for found in verdict.decisive]
    assert (verdict.model_digest, verdict.model_version) == (
        model_of(first_night).digest,
        model_of(first_night).version,
    )
    assert verdict.champion_digest is None
    assert verdict.dataset == str(made["label"].datasets["all_labels"])
    assert verdict.policy_digest == policy_digest(first_night.pipeline.gate)
    assert verdict.synthetic
    assert made["gate"].facts["rows"] >= first_night.pipeline.gate.min_audited


def test_the_bundle_itself_is_asked(first_night: Night) -> None:
    verdict = verdict_of(first_night.results["gate"])
    assert check(verdict, "bundle").decision is Decision.PASS
    assert check(verdict, "latency_p99_ms").decision is Decision.PASS


def test_the_report_lies_at_home_and_beside_the_models_run(first_night: Night) -> None:
    report = Path(first_night.results["gate"].facts["report"])
    assert report.is_relative_to(first_night.environment.home / "reports" / "topics")
    page = report.read_text(encoding="utf-8")
    assert "synthetic articles" in page
    client, run_id = connect(first_night.environment), model_of(first_night).run_id
    assert [Path(file.path).name for file in client.list_artifacts(run_id, "gate")] == [report.name]


def test_a_bundle_too_slow_for_the_policy_fails(night: Night) -> None:
    policy = night.pipeline.gate.model_copy(update={"latency_p99_ms": 1e-9})
    step = night.step("gate", "night-2", pipeline=night.pipeline.model_copy(update={"gate": policy}))
    verdict = verdict_of(judged(step, night))
    assert verdict.decision is Decision.FAIL
    assert [found.metric for found in verdict.decisive] == ["latency_p99_ms"]


def test_a_candidate_whose_files_were_changed_fails_and_a_champions_is_an_error(night: Night, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(model_of(night).bundle, spoilt)
    with (spoilt / "bundle.json").open("a") as file:
        file.write(" \n\n{}")
    broken = other(night, bundle=str(spoilt), version=model_of(night).version)
    candidate = verdict_of(judged(night.step("gate", "night-2", fresh=True), night, train=of_model(night, broken)))
    assert candidate.decision is Decision.FAIL
    assert "cannot be used" in check(candidate, "bundle").reason
    champion = other(night, bundle=str(spoilt), digest="0" * 64)
    against = verdict_of(judged(night.step("gate", "night-3"), night, champion=champion))
    assert against.decision is Decision.ERROR
    assert "the champion v7 cannot be used" in against.decisive[0].reason


def test_the_same_model_again_is_nothing_new(night: Night) -> None:
    result = judged(night.step("gate", "night-2"), night, champion=model_of(night))
    assert result.facts == {"nothing_new": True}
    assert result.verdict is None


def test_with_mlflow_away_the_verdict_stands_and_says_where_the_report_is(night: Night) -> None:
    environment = night.environment.model_copy(update={"mlflow": AWAY})
    result = judged(night.step("gate", "night-2", environment=environment, fresh=True), night)
    verdict = verdict_of(result)
    assert verdict.decision is Decision.PASS
    assert "MLflow did not take the report; it is kept locally." in verdict.notes
    assert Path(result.facts["report"]).is_file()


def test_it_knows_how_the_two_differ_and_leaves_out_what_the_champion_was_trained_on(
    two: tuple[Night, ModelRef],
) -> None:
    night, another = two
    result = judged(night.step("gate", "told"), night, champion=another)
    verdict, expected = verdict_of(result), result.facts["expected"]
    assert verdict.champion_digest == another.digest
    assert expected["rows"] == result.facts["rows"]
    assert expected.keys() == {"rows", "disagreement", "abstention"}
    assert not any("not recorded" in note for note in verdict.notes)
    client, told = (
        connect(night.environment),
        connect(night.environment).get_run(another.run_id).data.tags[EXAMPLES_TAG],
    )
    client.delete_tag(another.run_id, EXAMPLES_TAG)
    forgotten = verdict_of(judged(night.step("gate", "untold", fresh=True), night, champion=another))
    client.set_tag(another.run_id, EXAMPLES_TAG, told)
    assert any("not recorded" in note for note in forgotten.notes)


@pytest.mark.parametrize("alias", ["unset", "right", "wrong"])
def test_it_says_when_mlflow_calls_another_model_champion_than_serves(alias: str, two: tuple[Night, ModelRef]) -> None:
    night, another = two
    champion = {"unset": None, "right": another.version, "wrong": model_of(night).version}[alias]
    project_aliases(night.environment, "topics", champion=champion)
    verdict = verdict_of(judged(night.step("gate", alias, fresh=True), night, champion=another))
    told = {
        "unset": [f"MLflow's alias champion is not set; {served(another)}"],
        "right": [],
        "wrong": [f"MLflow's alias champion points at {model_of(night).digest[:12]}; {served(another)}"],
    }
    assert [note for note in verdict.notes if "alias" in note] == told[alias]


def served(model: ModelRef) -> str:
    return f"v{model.version} ({model.digest[:12]}), which is served, was compared with."


def test_a_verdict_whose_report_is_gone_is_made_again(night: Night) -> None:
    first = judged(night.step("gate", "night-2", fresh=True), night)
    assert judged(night.step("gate", "night-3"), night).reused_from == first.step_key
    Path(first.facts["report"]).unlink()
    again = judged(night.step("gate", "night-4"), night)
    assert again.reused_from != first.step_key
    assert Path(again.facts["report"]).is_file()


def test_too_few_true_labels_name_the_key_and_no_file_that_may_not_exist(night: Night) -> None:
    policy = night.pipeline.gate.model_copy(update={"min_audited": 5_000})
    step = night.step("gate", "night-2", pipeline=night.pipeline.model_copy(update={"gate": policy}))
    verdict = verdict_of(judged(step, night))
    assert verdict.decision is Decision.INSUFFICIENT
    assert verdict.decisive[0].reason.endswith("5000 needed. Raise label.audit.share or lower gate.min_audited.")
