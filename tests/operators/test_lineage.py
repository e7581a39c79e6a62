"""What a catalog is told of a task: datasets by their standard names, versions and rows, and what a verdict said."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from fakes import context, result, verdict
from openlineage.client.serde import Serde

from operators.gate import GateOperator
from operators.lineage import lineage_of
from pressrun.config.environment import Environment
from pressrun.lake.types import DatasetRef
from pressrun.verdict import Decision


def ref(table: str, version: int = 3) -> DatasetRef:
    return DatasetRef(table=table, version=version, pipeline="topics", step_keys=("k",), rows=7, digest="a" * 64)


def told(environment: Environment, *, root: str, made: Any) -> dict[str, Any]:
    place = environment.model_copy(update={"lake": environment.lake.model_copy(update={"root": root})})
    found = lineage_of(made, [result("ingest").model_copy(update={"datasets": {"articles": ref("articles")}})], place)
    return {side: [Serde.to_dict(one) for one in getattr(found, side)] for side in ("inputs", "outputs")}


@pytest.mark.parametrize(
    ("root", "namespace", "name"),
    [
        ("s3://news/lake", "s3://news", "lake/articles"),
        ("gs://news", "gs://news", "articles"),
        ("/srv/lake", "file", "/srv/lake/articles"),
    ],
)
def test_a_dataset_has_the_name_that_others_give_it(
    root: str, namespace: str, name: str, environment: Environment
) -> None:
    (articles,) = told(environment, root=root, made=result("sample"))["inputs"]
    assert (articles["namespace"], articles["name"]) == (namespace, name)
    assert articles["facets"]["version"]["datasetVersion"] == f"3#{'a' * 64}"
    assert articles["inputFacets"]["dataQualityMetrics"]["rowCount"] == 7
    assert {"name": "article_id", "type": "string"}.items() <= articles["facets"]["schema"]["fields"][0].items()


def test_what_a_stage_hands_on_unchanged_is_no_output_of_it(environment: Environment) -> None:
    made = result("sample").model_copy(update={"datasets": {"articles": ref("articles"), "samples": ref("samples")}})
    outputs = told(environment, root="s3://news/lake", made=made)["outputs"]
    assert [one["name"] for one in outputs] == ["lake/samples"]
    assert outputs[0]["outputFacets"]["outputStatistics"]["rowCount"] == 7


def test_a_verdicts_checks_stand_on_the_dataset_that_was_judged(environment: Environment) -> None:
    said = verdict("labels", Decision.FAIL).model_copy(update={"dataset": str(ref("articles"))})
    made = result("label").model_copy(update={"verdict": said})
    (articles,) = told(environment, root="s3://news/lake", made=made)["inputs"]
    assertions = articles["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(one["assertion"], one["success"]) for one in assertions] == [
        (check.metric, check.decision is Decision.PASS) for check in said.checks
    ]


def test_a_registered_model_is_an_output_below_its_mlflow(environment: Environment) -> None:
    model = {"name": "topics", "version": "4", "digest": "b" * 64, "run_id": "r", "bundle": "b"}
    made = result("train").model_copy(update={"facts": {"model": model}})
    (found,) = told(environment, root="s3://news/lake", made=made)["outputs"]
    assert (found["name"], found["facets"]["version"]["datasetVersion"]) == ("models/topics/4", "b" * 64)
    assert found["namespace"] == environment.mlflow.shown_uri


def test_the_provider_gets_it_from_the_operator_once_it_has_run_and_nothing_before(
    monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    upstream = {
        name: result(stage).model_dump(mode="json")
        for name, stage in (("ingested", "ingest"), ("sampled", "sample"), ("labeled", "label"), ("trained", "train"))
    }
    upstream["ingested"]["datasets"] = {"articles": ref("articles").model_dump(mode="json")}
    task = GateOperator(task_id="gate", pipeline="topics", upstream=upstream)
    assert DefaultExtractor(task).extract_on_complete(None) is None
    monkeypatch.setattr(GateOperator, "work", lambda self, step: result("gate"))
    task.execute(context("gate"))
    found = DefaultExtractor(task).extract_on_complete(None)
    assert found is not None
    assert [one.name.endswith("/lake/articles") for one in found.inputs] == [True]
