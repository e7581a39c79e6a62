"""What `pressrun check` says of one's own code and of labelers, before anything is run or paid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.conftest import PIPELINE, Project
from tests.config.test_mistakes import told

CODE = """
class Labeler:
    name = "own:1"
    def __init__(self, *, taxonomy, shout=False): raise RuntimeError("check makes nothing")
    def label(self, articles): return []

class Mute:
    name = "own:2"
    def __init__(self, *, taxonomy): ...

class Feature:
    def __init__(self, *, words=()): ...
    def fit(self, texts): ...

class Family:
    def fit(self, *, features, targets, weights, classes, seed): ...

class OldFamily:
    def fit(self, features, targets): ...

def metric(target, predicted, probabilities): ...
class Metric:
    def __init__(self, *, labels, topic="World"): ...
    def __call__(self, target, predicted, probabilities): ...
def half_a_metric(target, predicted): ...

def gate_check(evidence, policy): ...
class GateCheck:
    def __init__(self, *, most=3): ...
    def __call__(self, evidence, policy): ...
def drift_test(reference, current, policy): ...
"""
LABELER = "{labeler: static, accept_above: 0.80}"
FAMILIES = "families: [svm, lightgbm]"
FLOORS = "floors: {macro_f1: 0.75}"
EVERY = "every: 1h"

RIGHT = {
    "a labeler": (LABELER, "{uses: 'own_code:Labeler', options: {shout: true}}"),
    "a feature": (FAMILIES, f"{FAMILIES}\n  features: [tfidf, {{uses: 'own_code:Feature', options: {{words: [a]}}}}]"),
    "a family": (FAMILIES, "families: [svm, {uses: 'own_code:Family', name: mine}]"),
    "a metric": (FLOORS, "metrics: [{uses: 'own_code:metric', name: mine}]\n  floors: {mine: 0.7}"),
    "a metric made with options": (
        FLOORS,
        "metrics: [{uses: 'own_code:Metric', name: mine, options: {topic: Sports}}]\n  floors: {mine: 0.7}",
    ),
    "a check": (FLOORS, f"{FLOORS}\n  checks: [{{uses: 'own_code:gate_check'}}]"),
    "a check made with options": (
        FLOORS,
        f"{FLOORS}\n  checks: [{{uses: 'own_code:GateCheck', options: {{most: 1}}}}]",
    ),
    "a drift test": (EVERY, f"{EVERY}\n  tests: [{{uses: 'own_code:drift_test'}}]"),
}

WRONG = {
    "what is no labeler": (
        LABELER,
        "{uses: 'json:dumps'}",
        'label.chain[0].uses is "json:dumps"; it is a function; name a class.',
    ),
    "a labeler that cannot label": (LABELER, "{uses: 'own_code:Mute'}", "label.chain[0].uses *; it lacks label of *"),
    "an option that a labeler does not take": (
        LABELER,
        "{uses: 'own_code:Labeler', options: {shuot: true}}",
        "label.chain[0].options.shuot is true; Labeler takes no shuot; it takes shout. Did you mean shout?",
    ),
    "an option that the static labeler does not take": (
        LABELER,
        "{labeler: static, options: {sharpnes: 3}}",
        "label.chain[0].options.sharpnes is 3; StaticLabeler takes no sharpnes; * Did you mean sharpness?",
    ),
    "an option for people": (
        "{labeler: people, wait: 4h}",
        "{labeler: people, wait: 4h, options: {speed: 2}}",
        "label.chain[1].options *; people takes no options; take it out.",
    ),
    "a feature that is a function": (
        FAMILIES,
        f"{FAMILIES}\n  features: [{{uses: 'own_code:metric'}}]",
        "train.features[0].uses *; it is a function; name a class.",
    ),
    "a family that is called otherwise": (
        FAMILIES,
        "families: [{uses: 'own_code:OldFamily', name: mine}]",
        "train.families[0].uses *; fit(*, features, targets, weights, classes, seed) is what Pressrun calls, but *",
    ),
    "a metric that is called otherwise": (
        FLOORS,
        f"metrics: [{{uses: 'own_code:half_a_metric', name: mine}}]\n  {FLOORS[:-1]}, mine: 0.5}}",
        "gate.metrics[0].uses *; (target, predicted, probabilities) is what Pressrun calls, but *",
    ),
    "a metric that nothing is judged by": (
        FLOORS,
        f"metrics: [{{uses: 'own_code:metric', name: mine}}]\n  {FLOORS}",
        "gate.metrics[0].name *; nothing is judged by it; name it in gate.floors *",
    ),
    "a metric of a name that is taken": (
        FLOORS,
        f"metrics: [{{uses: 'own_code:metric', name: accuracy}}]\n  {FLOORS}",
        "gate.metrics[0].name *; there is a metric of this name; choose another.",
    ),
    "a metric misspelt": (
        "non_inferiority: {macro_f1: 0.02}",
        "non_inferiority: {mne: 0.02}",
        "gate.non_inferiority.mne is 0.02; there is no metric mne; known are macro_f1, *",
    ),
    "a check that is called otherwise": (
        FLOORS,
        f"{FLOORS}\n  checks: [{{uses: 'own_code:metric'}}]",
        "gate.checks[0].uses *; (evidence, policy) is what Pressrun calls, but metric says: *",
    ),
    "options for a function": (
        FLOORS,
        f"{FLOORS}\n  checks: [{{uses: 'own_code:gate_check', options: {{most: 1}}}}]",
        "gate.checks[0].options *; gate_check is a function and takes no options; write it as a class.",
    ),
    "a check without its key": (
        FLOORS,
        f"{FLOORS}\n  checks: ['own_code:gate_check']",
        "gate.checks[0] *; code of your own is a mapping. Did you mean {uses: own_code:gate_check}?",
    ),
    "a drift test that is not there": (
        EVERY,
        f"{EVERY}\n  tests: [{{uses: 'own_code:drift_tst'}}]",
        "drift.tests[0].uses *; own_code has no drift_tst. Did you mean drift_test?",
    ),
    "a family listed twice": (FAMILIES, "families: [svm, svm]", "train.families[1] *; it is listed before; *"),
    "no feature at all": (FAMILIES, f"{FAMILIES}\n  features: []", "train.features *; it needs 1 entries at least, *"),
    "no columns without a header": (
        "read: {format: csv, header: false, columns: [label, title, body]}",
        "read: {header: false}",
        "articles.read.columns: without a header it is a list *, for example [label, title, body].",
    ),
    "an option that no llm takes": (
        LABELER,
        "{labeler: llm, model: 'openai:gpt-5-mini', options: {concurency: 3}}",
        "label.chain[0].options.concurency is 3; there is no such key. Did you mean concurrency?",
    ),
    "an llm option out of range": (
        LABELER,
        "{labeler: llm, model: 'openai:gpt-5-mini', options: {retries: -1}}",
        "label.chain[0].options.retries is -1; it must be at least 0.",
    ),
    "an unknown provider": (
        LABELER,
        "{labeler: llm, model: 'opena:gpt-5-mini'}",
        'label.chain[0].model is "opena:gpt-5-mini"; pydantic-ai knows no provider opena. Did you mean openai:gpt-5-*?',
    ),
    "a model without its provider": (
        LABELER,
        "{labeler: llm, model: gpt-5-mini}",
        "label.chain[0].model *; name it as provider:name, for example openai:gpt-5-mini.",
    ),
    "a budget that cannot be kept": (
        LABELER,
        "{labeler: llm, model: 'openai:our-own-model', budget_usd: 5}",
        "label.chain[0].budget_usd is 5; no price is known for openai:our-own-model, *; give options: *",
    ),
}
# Told on the line after the one that was replaced.
LINE_AFTER = {
    "a feature that is a function",
    "a check that is called otherwise",
    "options for a function",
    "a check without its key",
    "a drift test that is not there",
    "no feature at all",
}


@pytest.fixture(autouse=True)
def own_code(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of one's own beside the config."""
    file = project.folder / "own_code.py"
    file.write_text(CODE)
    monkeypatch.syspath_prepend(project.folder)
    return file


@pytest.mark.parametrize("what", RIGHT)
def test_code_that_keeps_its_protocol_is_let_through_and_not_run(project: Project, what: str) -> None:
    project.spoil(*RIGHT[what])
    assert project.check() == []


@pytest.mark.parametrize("mistake", WRONG)
def test_what_would_fail_at_night_is_told_by_file_line_key_and_remedy(project: Project, mistake: str) -> None:
    old, new, wanted = WRONG[mistake]
    line = project.spoil(old, new) + (mistake in LINE_AFTER)
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line}: ")
    assert told(wanted, message.removeprefix(f"{PIPELINE}:{line}: ")), message


def test_a_model_on_a_server_of_ones_own_needs_no_known_provider(project: Project) -> None:
    project.spoil(LABELER, "{labeler: llm, model: 'desk:small', base_url: 'http://127.0.0.1:9/v1'}")
    assert project.check() == []


def test_what_ships_is_right(project: Project) -> None:
    assert project.check() == []
