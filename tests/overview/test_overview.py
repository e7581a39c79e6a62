"""What the model page is told, from what the real stages left behind."""

from __future__ import annotations

from pressrun.lake.fingerprint import PACKAGES
from pressrun.overview import overview
from pressrun.overview.steps import finished_steps
from pressrun.step import open_lake
from tests.night import STAGES, Night


def test_results_and_readers_call_a_stage_by_the_same_name(first_night: Night) -> None:
    steps = finished_steps(open_lake(first_night.environment), "topics")
    assert [(step.stage, step.task) for step in steps] == [(name, name) for name in STAGES]
    assert set(STAGES) <= set(PACKAGES)


def test_the_lineage_counts_what_each_stage_made(first_night: Night) -> None:
    boxes = {box.name: box for box in overview(first_night.environment, first_night.pipeline).boxes}
    made = first_night.results
    counted = {
        "articles": made["ingest"].datasets["articles"].rows,
        "sample": made["sample"].datasets["samples"].rows,
        "labels": made["label"].datasets["labels"].rows,
        "examples": made["train"].datasets["examples"].rows,
    }
    assert {name: boxes[name].text for name in counted} == {name: f"{rows:,}" for name, rows in counted.items()}
    assert (boxes["gate"].text, boxes["model"].text) == ("pass", f"v{made['train'].facts['model']['version']}")


def test_every_verdict_of_the_night_names_what_was_judged_by_what_and_that_it_is_synthetic(first_night: Night) -> None:
    verdicts = overview(first_night.environment, first_night.pipeline).verdicts
    assert {verdict.kind for verdict in verdicts} == {"batch", "labels", "gate"}
    for verdict in verdicts:
        assert verdict.step_key in {result.step_key for result in first_night.results.values()}
        assert verdict.dataset
        assert verdict.policy_digest
        assert verdict.synthetic, verdict.kind
