from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

REPOSITORY = Path(__file__).parents[2]
MIND = """\
model: mind
owner: news-ml
fresh_by: "07:30"
articles:
  read: {format: tsv, header: false, columns: [article_id, label, section, title, body]}
label:
  taxonomy: TAXONOMY
  chain: [{labeler: static, accept_above: 0.8}, {labeler: people, wait: 4h}]
"""
MIND_TAXONOMY = """\
name: mind
version: "1"
topics:
  - {name: news, seeds: [police, court]}
  - {name: sports, seeds: [football, coach]}
  - {name: finance, seeds: [stocks, market]}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository's config that a test may change."""
    folder = tmp_path / "config"
    shutil.copytree(REPOSITORY / "config", folder)
    monkeypatch.setenv("PRESSRUN_CONFIG", str(folder))
    return folder


@pytest.fixture
def dags(config: Path, load: Any) -> dict[str, Any]:
    bag: DagBag = load()
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_a_pipeline_makes_its_four_dags_beside_those_of_the_platform(dags: dict[str, Any]) -> None:
    made = ["topics_drift", "topics_freshness", "topics_intervene", "topics_retrain"]
    assert sorted(dag for dag in dags if not dag.startswith("pressrun_")) == made
    assert "pressrun_doctor" in dags


def test_a_person_steps_in_by_a_form_that_asks_why_and_is_not_repeated_on_its_own(dags: dict[str, Any]) -> None:
    dag = dags["topics_intervene"]
    assert dag.params.get_param("wish").schema["enum"] == ["pause", "resume", "promote", "force", "abort"]
    assert dag.params.get_param("reason").schema["minLength"] == 3
    assert [task.retries for task in dag.tasks] == [0]


def test_the_night_is_a_line_of_six_tasks(dags: dict[str, Any]) -> None:
    order = [task.task_id for task in dags["topics_retrain"].topological_sort()]
    assert order == ["ingest", "sample", "label", "train", "gate", "rollout"]


def test_every_dag_has_a_page_an_owner_tags_and_no_catchup(dags: dict[str, Any]) -> None:
    for name, dag in dags.items():
        about, owner = ("platform", "platform") if name.startswith("pressrun_") else ("topics", "news-ml")
        assert {"pressrun", about} <= set(dag.tags)
        assert not dag.catchup
        for heading in ("What it does", "When a task fails", "Who owns it", owner):
            assert heading in dag.doc_md
        assert {task.owner for task in dag.tasks} == {owner}


# Whoever triggers these looks at what came of it.
BY_HAND = ("topics_intervene", "pressrun_doctor")


def test_every_task_is_retried_with_growing_pauses_and_its_failure_is_told(dags: dict[str, Any]) -> None:
    for task in (task for dag in dags.values() if dag.dag_id not in BY_HAND for task in dag.tasks):
        assert task.retries == 2
        assert task.retry_exponential_backoff
        assert task.on_failure_callback


def test_the_form_reads_like_a_form(dags: dict[str, Any]) -> None:
    params = dags["topics_retrain"].params
    assert list(params) == ["sample_rows", "relabel", "dry_run"]
    for name in params:
        param = params.get_param(name)
        assert param.schema["title"]
        assert param.description.endswith(".")


def test_drift_starts_the_retrain_through_the_asset(dags: dict[str, Any]) -> None:
    emitted = dags["topics_drift"].get_task("ask_for_retrain").outlets
    assert [asset.uri for asset in emitted] == ["pressrun://topics/drift"]
    condition = dags["topics_retrain"].timetable.asset_condition
    assert [asset.uri for asset in condition.objects] == ["pressrun://topics/drift"]


def test_drift_is_watched_and_mlflows_aliases_are_reconciled_independently(dags: dict[str, Any]) -> None:
    after = {task.task_id: task.upstream_task_ids for task in dags["topics_drift"].tasks}
    assert after == {"watch": set(), "ask_for_retrain": {"watch"}, "reconcile": set()}


def test_shared_assets_close_the_loop(dags: dict[str, Any]) -> None:
    tasks = [task for dag in dags.values() for task in dag.tasks]
    made = {asset.name for task in tasks for asset in task.outlets}
    used = {asset.name for task in tasks for asset in task.inlets} | {"topics/drift"}
    assert made == used == {f"topics/{kind}" for kind in ("articles", "labels", "model", "champion", "drift")}


def test_people_and_rollouts_are_waited_for_without_a_worker(dags: dict[str, Any]) -> None:
    for task_id in ("label", "rollout"):
        assert dags["topics_retrain"].get_task(task_id).deferrable


def test_a_second_file_makes_a_second_set_of_dags(config: Path, load: Any) -> None:
    taxonomy = config / "taxonomies" / "mind.yaml"
    taxonomy.write_text(MIND_TAXONOMY)
    (config / "pipelines" / "mind.yaml").write_text(MIND.replace("TAXONOMY", str(taxonomy)))
    bag = load()
    assert {"mind_retrain", "mind_drift", "mind_freshness", "mind_intervene"} <= set(bag.dags)
    assert bag.import_errors == {}


def test_a_broken_file_names_file_line_and_key_and_leaves_the_others_alone(config: Path, load: Any) -> None:
    broken = MIND.replace("fresh_by:", "fresh_bi:").replace("TAXONOMY", "config/taxonomies/news-topics.yaml")
    (config / "pipelines" / "mind.yaml").write_text(broken)
    bag = load()
    made = {"topics_retrain", "topics_drift", "topics_freshness", "topics_intervene"}
    assert made == {dag for dag in bag.dags if not dag.startswith("pressrun_")}
    for error in bag.import_errors.values():
        assert "mind.yaml:3" in error
        assert "fresh_bi" in error
    assert len(bag.import_errors) == 4


def test_no_deadline_makes_no_freshness_dag(config: Path, load: Any) -> None:
    file = config / "pipelines" / "topics.yaml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("fresh_by")))
    assert "topics_freshness" not in load().dags


def test_reading_the_dags_pulls_in_nothing_heavy() -> None:
    program = f"""
import runpy, sys
for name in ("retrain", "drift", "freshness", "intervene"):
    runpy.run_path(f"{REPOSITORY}/dags/{{name}}.py")
heavy = ("pyspark", "mlflow", "sklearn", "evidently", "pandas", "pyarrow", "deltalake", "lightgbm", "duckdb")
print(*[name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.split() == []
