"""The train stage and the gate with a transformer and its student, as a night runs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import load_bundle
from pressrun.config.pipeline import Pipeline
from pressrun.gates import gate
from pressrun.registry.tracking import connect
from pressrun.training import train
from pressrun.training.workshop import _Curves
from tests.night import Night


def deep(night: Night, tiny: Path, *families: object) -> Night:
    """The night with a pipeline of these families."""
    given = night.pipeline.model_dump()
    given["train"]["families"] = list(families)
    return replace(night, pipeline=Pipeline.model_validate(given))


@pytest.fixture
def transformer(tiny: Path) -> dict[str, object]:
    return {
        "family": "transformer", "model": str(tiny), "max_tokens": 32, "epochs": 1, "batch": 16, "evaluate_every": 4,
        "learning_rate": 1e-3,
    }  # fmt: skip


def test_a_night_trains_a_transformer_and_its_student_after_a_kill_and_the_gate_tells_what_they_cost(
    night: Night, tiny: Path, transformer: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    night = deep(night, tiny, transformer, {"family": "distilled", "teacher": "transformer"})
    step, upstream = night.step("train", "night-2"), [night.results[name] for name in ("ingest", "sample", "label")]
    tell = _Curves.__call__

    def dies(curves: _Curves, family: str, metric: str, value: float, at: int) -> None:
        tell(curves, family, metric, value, at)
        if at >= 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Curves, "__call__", dies)
    with pytest.raises(KeyboardInterrupt):
        train(step, *upstream)
    kept = night.environment.home / "checkpoints"
    assert len(list(kept.glob("*/*/step-*"))) == 2

    steps: list[int] = []

    def hears(curves: _Curves, family: str, metric: str, value: float, at: int) -> None:
        tell(curves, family, metric, value, at)
        steps.append(at)

    monkeypatch.setattr(_Curves, "__call__", hears)
    result = train(step, *upstream)
    assert steps[0] == 12
    assert not list(kept.iterdir())
    assert set(result.facts["families"]) == {"transformer", "distilled"}
    assert [note.partition(" against ")[0] for note in result.facts["notes"][1:]] == ["transformer", "distilled"]

    client = connect(night.environment)
    experiment = client.get_experiment_by_name("topics").experiment_id
    [live, *_] = client.search_runs([experiment], "tags.`pressrun.live` LIKE 'transformer%'")
    curve = [point.step for point in client.get_metric_history(live.info.run_id, "validation_loss")]
    assert curve == sorted(set(curve))
    assert curve[:3] == [0, 4, 8]
    assert live.info.status == "FINISHED"
    told = client.get_run(result.facts["model"]["run_id"]).data.metrics
    assert told["family_distilled_speedup"] > 0
    assert "family_transformer_int8_macro_f1_loss" in told

    bundle = load_bundle(result.facts["model"]["bundle"])
    assert np.allclose(bundle.scores(["a title\na body"]).sum(), 1)
    judged = gate(night.step("gate", "night-2"), *upstream, result, None)
    assert judged.verdict is not None
    assert [note for note in judged.verdict.notes if note.startswith("distilled against its teacher transformer, on ")]
