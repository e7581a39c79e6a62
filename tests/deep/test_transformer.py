"""`family: transformer` as a whole: what it exports, in which precision, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

from pressrun.bundle import load_bundle, write_bundle
from pressrun.bundle.models import softmax
from pressrun.bundle.transformer import Transformer
from pressrun.config.families import DistilledFamily, TransformerFamily
from pressrun.training import TrainingError, exported
from pressrun.training.distilled import Distilled, teacher_of
from pressrun.training.families import Logistic
from pressrun.training.quantized import dynamic
from pressrun.training.reading import Fitted, TrainingSet, Workshop
from pressrun.training.transformer import FineTuned

from .conftest import TOPICS

Heard = list[tuple[str, str, float, int]]


class Recorder:
    """A workshop that keeps what it hears."""

    def __init__(self, checkpoints: Path | None = None) -> None:
        self.heard, self.said = Heard(), list[str]()
        self.workshop = Workshop(
            checkpoints=checkpoints,
            curve=lambda family, metric, value, step: self.heard.append((family, metric, value, step)),
            progress=lambda message, done=0, total=None: self.said.append(f"{message} {done}/{total}"),
        )


@pytest.fixture(scope="module")
def fitted(tiny: Path, given: TrainingSet) -> tuple[Fitted, Recorder, FineTuned]:
    recorder = Recorder()
    family = FineTuned(quick(tiny), recorder.workshop)
    return family.fit_articles(given), recorder, family


def quick(tiny: Path, **more: object) -> TransformerFamily:
    usual = {
        "family": "transformer", "model": str(tiny), "max_tokens": 16, "epochs": 3, "batch": 16,
        "learning_rate": 3e-3, "evaluate_every": 10, "validation": 0.2,
    }  # fmt: skip
    return TransformerFamily.model_validate({**usual, **more})


def test_the_bundle_answers_as_the_network_did(fitted: tuple[Fitted, Recorder, FineTuned], tmp_path: Path) -> None:
    model = fitted[0].model
    assert fitted[0].measured["export_parity"] < 1e-5
    bundle = write_bundle(tmp_path / "b", name="tiny", labels=TOPICS, model=model, slope=1.0, family="transformer")
    texts = ["coach team goal\nmatch", "shares profit\nbank", "telescope\nrocket orbit"]
    loaded = load_bundle(tmp_path / "b", digest=bundle.digest)
    assert np.array_equal(loaded.scores(texts), bundle.scores(texts))
    assert loaded.scores(texts).argmax(axis=1).tolist() == [0, 1, 2]
    assert loaded.manifest.model.precision == "int8"


def test_it_tells_apart_what_it_has_not_seen(fitted: tuple[Fitted, Recorder, FineTuned], given: TrainingSet) -> None:
    found = fitted[0]
    answers = given.corpus.decisions(found.model, found.unseen).argmax(axis=1)
    assert (answers == given.targets[found.unseen]).mean() > 0.9
    assert found.unseen.min() >= 190


def test_the_loss_of_int8_and_its_speed_are_told(fitted: tuple[Fitted, Recorder, FineTuned]) -> None:
    found = fitted[0]
    assert {"int8_macro_f1_loss", "int8_log_loss_rise", "int8_largest_change", "int8_speedup"} <= set(found.measured)
    assert "transformer in int8 (" in found.notes[0]
    assert found.reference is not None
    assert found.reference.name == "itself in fp32"
    texts = ["coach goal", "bank shares"]
    small, full = found.model.decisions(texts), found.reference.answers(texts)
    assert not np.array_equal(small, full)
    assert softmax(small) == pytest.approx(softmax(full), abs=0.1)


def test_the_curve_is_told_while_it_trains(fitted: tuple[Fitted, Recorder, FineTuned]) -> None:
    heard, said = fitted[1].heard, fitted[1].said
    steps = [step for _, metric, _, step in heard if metric == "validation_loss"]
    assert steps == sorted(set(steps))
    assert steps[:3] == [0, 10, 20]
    assert {metric for _, metric, _, _ in heard} == {"validation_loss", "validation_macro_f1", "train_loss"}
    assert any(line.endswith("step 10/36") for line in said)


def test_the_graph_says_nothing_of_the_machine_that_made_it(fitted: tuple[Fitted, Recorder, FineTuned]) -> None:
    reference = fitted[0].reference
    assert reference is not None
    graph = onnx.load_from_string(reference.answers.__self__.graph)
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)
    assert b"site-packages" not in fitted[0].model.graph


def test_the_very_same_fit_is_not_done_twice(
    fitted: tuple[Fitted, Recorder, FineTuned], given: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, recorder, family = fitted
    before = len(recorder.heard)
    assert family.fit_articles(given) is found
    assert len(recorder.heard) == before


def test_a_student_costs_little_and_its_teacher_is_not_trained_again(
    fitted: tuple[Fitted, Recorder, FineTuned], given: TrainingSet
) -> None:
    found, recorder, family = fitted
    before = len(recorder.heard)
    spec = DistilledFamily.model_validate({"family": "distilled", "teacher": "transformer"})
    student = Distilled(
        spec, teacher=teacher_of(spec, Workshop(), {"transformer": family}), student=Logistic()
    ).fit_articles(given)
    assert len(recorder.heard) == before
    taught = given.corpus.decisions(student.model, found.unseen).argmax(axis=1)
    assert (taught == given.targets[found.unseen]).mean() > 0.9
    assert student.reference is not None
    assert student.reference.name == "its teacher transformer"


def test_checkpoints_hold_no_code_and_a_killed_fit_resumes_from_them(
    tiny: Path, given: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "refuse_unservable", lambda *_, **named: None)
    recorder, spec = Recorder(tmp_path), quick(tiny, precision="fp32")

    def dies(family: str, metric: str, value: float, step: int) -> None:
        if step >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FineTuned(spec, replace(recorder.workshop, curve=dies)).fit_articles(given)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".safetensors", ".json"}
    for file in files:
        _ = json.loads(file.read_bytes()) if file.suffix == ".json" else load_file(file)
    found = FineTuned(spec, recorder.workshop).fit_articles(given)
    assert min(step for _, _, _, step in recorder.heard) == 20
    assert found.model.precision == "fp32"
    assert found.reference is None


def test_a_model_that_no_bundle_can_hold_is_refused_before_it_is_trained(
    tiny: Path, given: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **named: object) -> None:
        raise exported.BundleError("model.onnx: node 3 of the graph (Loop) is none of the operators")

    monkeypatch.setattr(exported, "write_bundle", refused)
    monkeypatch.setattr(exported, "export", lambda network, tokenizer: None)
    recorder = Recorder()
    with pytest.raises(TrainingError, match=r"transformer, model .* cannot be served by a bundle: .*Loop"):
        FineTuned(quick(tiny), recorder.workshop).fit_articles(given)
    assert recorder.heard == []


def test_gelu_is_one_operator_in_every_precision(fitted: tuple[Fitted, Recorder, FineTuned]) -> None:
    """Written out it takes several passes over the widest states."""
    reference = fitted[0].reference
    assert reference is not None
    for content in (reference.answers.__self__.graph, fitted[0].model.graph):
        found = [node.op_type for node in onnx.load_from_string(content).graph.node]
        assert found.count("Gelu") == 2
        assert "Erf" not in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_tokens": 128}, "max_tokens is 128, and the model reads 64 tokens"),
        ({"validation": 0.5, "rows": 60}, "30 examples are left .* 40 are needed"),
    ],
)
def test_what_makes_no_model_is_refused_in_words(
    tiny: Path, given: TrainingSet, change: Mapping[str, object], reason: str
) -> None:
    rows = change.get("rows", len(given.targets))
    few = replace(given, weights=(np.arange(len(given.targets)) < rows).astype(float))
    with pytest.raises(TrainingError, match=reason):
        FineTuned(quick(tiny, **{k: v for k, v in change.items() if k != "rows"}), Workshop()).fit_articles(few)


def test_minilm_learns_from_few_articles_in_few_steps(
    given: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "refuse_unservable", lambda *_, **named: None)
    few = replace(given, weights=(np.arange(len(given.targets)) < 60).astype(float))
    settings = {"family": "transformer", "epochs": 1, "max_tokens": 16, "batch": 16, "precision": "fp32"}
    spec = TransformerFamily.model_validate(settings)
    found = FineTuned(spec, Workshop()).fit_articles(few)
    assert found.measured["export_parity"] < 1e-5
    others = np.arange(60, 120)
    answers = given.corpus.decisions(found.model, others).argmax(axis=1)
    assert (answers == given.targets[others]).mean() > 0.75
    assert isinstance(found.model, Transformer)
    small = replace(found.model, graph=dynamic(found.model.graph), precision="int8")
    write_bundle(tmp_path / "b", name="minilm", labels=TOPICS, model=small, slope=1.0)
    bundle = load_bundle(tmp_path / "b")
    assert bundle.manifest.files["model.onnx"].size < 30e6
    assert (bundle.scores(given.corpus.some(others)).argmax(axis=1) == answers).mean() > 0.85
