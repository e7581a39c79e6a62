"""A second pipeline file, with the shape of the MIND news dataset (Wu et al. 2020), is a second loop and no code.

The articles are made up here from word lists. None is from MIND: ids begin with SYNTHETIC, addresses end in .example.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config.environment import Environment
from pressrun.config.load import load_pipeline, load_taxonomy
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult
from pressrun.loop import UpstreamStopped, run_stage
from pressrun.step import open_lake
from pressrun.taste import STAGES
from pressrun.verdict import Decision, Verdict

REPOSITORY = Path(__file__).parents[2]
WORDS = {
    "news": "police court judge suspect arrested sheriff verdict shooting investigation mayor prosecutor trial",
    "sports": "quarterback touchdown coach playoffs league season baseball basketball football stadium defense score",
    "finance": "stocks investors earnings shares mortgage retirement savings bank tax economy inflation dividend",
    "foodanddrink": "recipe bake chicken chocolate restaurant cheese butter sauce dessert oven dinner cocktail",
    "lifestyle": "wedding fashion horoscope relationship decor shopping home outfit royal etiquette bride garden",
    "weather": "storm rain snow forecast temperatures wind hurricane tornado flood freezing clouds thunder",
    "video": "footage camera clip watch viral moment caught livestream recorded dashcam replay highlights",
    "travel": "airline hotel beach flight passengers vacation cruise island tourists airport resort itinerary",
    "health": "doctor patients cancer vaccine diet symptoms hospital sleep disease exercise medication heart",
    "autos": "car sedan engine horsepower truck vehicle dealership hybrid sportscar wheels torque suspension",
    "music": "album singer song concert guitar band lyrics rapper tour chart melody drummer",
    "tv": "episode series sitcom network finale showrunner streaming reality host premiere drama anchor",
    "movies": "film director boxoffice trailer sequel actor cinema screenplay blockbuster studio marvel cast",
    "entertainment": "celebrity gossip redcarpet kardashian actress paparazzi interview award gown fame couple star",
    "kids": "children toys school toddler cartoon puppy playground teacher parents lego bedtime storybook",
}
ANY_TOPIC = "after before people say year week new first city report may today many while".split()  # noqa: SIM905
PIPELINE = """\
model: mind
owner: magazine-ml
description: Which section of the magazine an article belongs to.
schedule: "0 3 * * *"
fresh_by: "07:30"
articles:
  # news.tsv: id, category, subcategory, title, abstract, url, title entities, abstract entities
  read: {format: tsv, header: false, columns: [article_id, label, section, title, body, url, null, null]}
sample:
  rows: 600
  strata: [section, predicted_topic]
label:
  taxonomy: config/taxonomies/mind.yaml
  chain:
    - {labeler: static, accept_above: 0.3}
    - {labeler: people, wait: 4h}
  audit: {share: 0.3, floor: 0.6}
  oracle: true
train:
  families: [svm]
gate:
  floors: {macro_f1: 0.75}
  slices: [section]
  max_calibration_error: 0.4
  latency_p99_ms: 60000
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config that ships, as another user's folder, with a second pipeline in it and its taxonomy."""
    folder = tmp_path / "config"
    shutil.copytree(REPOSITORY / "config", folder)
    topics = [{"name": name, "seeds": words.split()} for name, words in WORDS.items()]
    taxonomy = {"name": "mind", "version": "1", "topics": topics}
    (folder / "taxonomies" / "mind.yaml").write_text(yaml.safe_dump(taxonomy, sort_keys=False))
    (folder / "pipelines" / "mind.yaml").write_text(PIPELINE)
    monkeypatch.setenv("PRESSRUN_CONFIG", str(folder))
    return folder


def write_news(file: Path, *, a_topic: int, label: Callable[[str], str] = lambda topic: topic) -> None:
    """A synthetic news.tsv of `a_topic` articles a category, some without an abstract as MIND has them."""
    dice, rows = random.Random(17), []
    for number in range(a_topic * len(WORDS)):
        topic = list(WORDS)[number % len(WORDS)]
        title, body = (" ".join(dice.sample([*WORDS[topic].split(), *ANY_TOPIC], k)).capitalize() for k in (7, 14))
        url, entities = f"https://mind.example/{number}.html", '[{"Label": "Made up", "Type": "O"}]'
        category = label(topic)
        rows.append([f"SYNTHETIC{number}", category, f"{category}_any", title, body, url, entities, "[]"])
    rows[5][4] = rows[6][4] = ""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def run_loop(pipeline: Pipeline, environment: Environment) -> dict[str, StageResult]:
    """The stages of a night, as the tasks of the retrain DAG run them."""
    identity = {"dag_id": f"{pipeline.model}_retrain", "run_id": "one"}
    return {name: run_stage(name, pipeline=pipeline, environment=environment, **identity) for name in STAGES}


def verdict_of(result: StageResult) -> Verdict:
    assert result.verdict is not None
    return result.verdict


def test_a_second_file_makes_a_second_set_of_dags_beside_the_first(config: Path, load: Any) -> None:
    bag: DagBag = load()
    assert bag.import_errors == {}
    kinds = ("drift", "freshness", "intervene", "retrain")
    made = sorted(dag for dag in bag.dags if not dag.startswith("pressrun_"))
    assert made == sorted(f"{model}_{kind}" for model in ("mind", "topics") for kind in kinds)
    for dag in (bag.dags[f"mind_{kind}"] for kind in kinds):
        assert {"pressrun", "mind"} <= set(dag.tags)
        assert {task.owner for task in dag.tasks} == {"magazine-ml"}
    uris = {asset.uri for asset in bag.dags["mind_drift"].get_task("ask_for_retrain").outlets}
    assert uris == {"pressrun://mind/drift"}


def test_without_a_deadline_the_second_pipeline_has_no_freshness_dag(config: Path, load: Any) -> None:
    file = config / "pipelines" / "mind.yaml"
    file.write_text(PIPELINE.replace('fresh_by: "07:30"\n', ""))
    assert {name for name in load().dags if name.startswith("mind")} == {"mind_drift", "mind_intervene", "mind_retrain"}


def test_check_is_content_with_the_second_pipeline(config: Path, home: Path) -> None:
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, "nothing wrong" in result.output) == (0, True), result.output
    assert load_taxonomy(load_pipeline("mind")).names == tuple(WORDS)


def test_columns_are_read_by_their_place(config: Path, environment: Environment) -> None:
    write_news(Path(environment.landing) / "mind" / "news.tsv", a_topic=2)
    ingested = run_stage(
        "ingest", pipeline=load_pipeline("mind"), environment=environment, dag_id="mind_retrain", run_id="one"
    )
    lake = open_lake(environment)
    articles = {row["article_id"]: row for row in lake.read(ingested.datasets["articles"]).to_pylist()}
    assert len(articles) == 2 * len(WORDS)
    first, bare = articles["SYNTHETIC0"], articles["SYNTHETIC5"]
    assert (first["section"], first["source"], first["source_provenance"]) == ("news_any", "mind.example", "assumed")
    assert "Made up" not in first["title"] + first["body"]
    assert (bool(bare["title"]), bare["body"]) == (True, "")
    given = lake.read(ingested.datasets["given"]).to_pylist()
    assert {row["label"] for row in given} == set(WORDS)
    assert lake.read(ingested.datasets["rejects"]).num_rows == 0


@pytest.mark.slow
def test_a_night_of_the_second_pipeline_ends_with_the_gates_verdict(config: Path, environment: Environment) -> None:
    write_news(Path(environment.landing) / "mind" / "news.tsv", a_topic=30)
    results = run_loop(load_pipeline("mind"), environment)
    assert [verdict_of(results[name]).decision for name in ("ingest", "label", "gate")] == [Decision.PASS] * 3
    judged = verdict_of(results["gate"])
    assert (judged.kind, judged.pipeline) == ("gate", "mind")
    score = next(check for check in judged.checks if check.metric == "macro_f1")
    assert score.samples >= 100


def test_labels_that_say_nothing_are_stopped_at_their_audit(config: Path, environment: Environment) -> None:
    dice = random.Random(3)
    write_news(
        Path(environment.landing) / "mind" / "news.tsv", a_topic=30, label=lambda topic: dice.choice(list(WORDS))
    )
    with pytest.raises(UpstreamStopped, match="this run has ended at label: fail, audit accuracy"):
        run_loop(load_pipeline("mind"), environment)
