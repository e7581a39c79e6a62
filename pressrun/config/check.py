"""What can be told about config files without running anything; `pressrun.check` adds what the stages know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from pressrun.config.document import Document, Path_, dotted, read_document
from pressrun.config.explain import near_miss
from pressrun.config.find import find_config, resolve_path, similar_file
from pressrun.config.fit import misfits, unpriced
from pressrun.config.load import load_environment, load_pipeline, load_taxonomy, pipeline_files
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError, Problem, shown_value
from pressrun.config.uses import Finding

Precheck = Callable[[Pipeline], Iterable[Finding]]
"""What a stage knows to be wrong with its part of a pipeline file."""


def check_all(
    pipelines: Sequence[str | Path] = (), environment: str | Path | None = None, *, prechecks: Sequence[Precheck] = ()
) -> list[Problem]:
    """The problems of the named pipelines (by default all), of the environment, and of both together."""
    files = [find_config("pipelines", name) for name in pipelines] or pipeline_files()
    wrong = _caught(lambda: load_environment(environment))
    known = list(prechecks)
    if not wrong:
        place = load_environment(environment)
        known += [partial(misfits, environment=place), partial(unpriced, environment=place)]
    problems = [problem for file in files for problem in check_pipeline(file, prechecks=known)]
    return problems + _same_model_twice(files) + wrong


def check_pipeline(file: Path, *, prechecks: Sequence[Precheck] = ()) -> list[Problem]:
    """The file's own problems, in its order, and those of the taxonomy, prompts and code that it names."""
    try:
        pipeline = load_pipeline(file)
    except ConfigError as error:
        return list(error.problems)
    document = read_document(file)
    problems = [
        *_named_file(("label", "taxonomy"), document),
        *[p for i in range(len(pipeline.label.chain)) for p in _named_file(("label", "chain", i, "prompt"), document)],
        *_channel_taken_for_a_comment(document),
        *[_at(f.path, document, f.reason, f.suggestion) for precheck in prechecks for f in precheck(pipeline)],
        *(_check_taxonomy(pipeline, document) if resolve_path(pipeline.label.taxonomy).is_file() else []),
    ]
    return sorted(problems, key=lambda problem: (problem.file != file, problem.line or 0))


def _check_taxonomy(pipeline: Pipeline, document: Document) -> list[Problem]:
    try:
        names = load_taxonomy(pipeline).names
    except ConfigError as error:
        return list(error.problems)
    sections = {"floors": pipeline.gate.floors, "non_inferiority": pipeline.gate.non_inferiority}
    keys = [("gate", section, metric) for section, metrics in sections.items() for metric in metrics]
    return [_no_topic(key, names, document) for key in keys if key[2].startswith("f1:") and key[2][3:] not in names]


def _no_topic(key: Path_, names: Sequence[str], document: Document) -> Problem:
    topic = str(key[-1]).removeprefix("f1:")
    meant = near_miss(topic, names)
    return _at(key, document, f"the taxonomy has no topic {topic}", f"f1:{meant}" if meant else None)


def _named_file(path: Path_, document: Document) -> list[Problem]:
    named = document.at(path)
    if named is None or resolve_path(named).is_file():
        return []
    return [_at(path, document, "there is no such file below the project or the config folder", similar_file(named))]


def _channel_taken_for_a_comment(document: Document) -> list[Problem]:
    """`slack: #news-ml` is null to YAML, and nobody would ever be told anything."""
    path: Path_ = ("alerts", "slack")
    if path not in document.lines or document.at(path) is not None:
        return []
    line = document.file.read_text(encoding="utf-8").splitlines()[document.line(path) - 1]
    _, sign, channel = line.partition(": #")
    if not sign or not channel.strip() or channel[0].isspace():
        return []
    return [_at(path, document, "to YAML # begins a comment; put the channel in quotes", f'"#{channel.split()[0]}"')]


def _same_model_twice(files: Sequence[Path]) -> list[Problem]:
    first: dict[str, Path] = {}
    problems = []
    for file in files:
        try:
            document = read_document(file)
        except ConfigError:
            continue
        model = document.at(("model",))
        if not isinstance(model, str):
            continue
        if model in first:
            reason = f"{first[model].name} has the same model; each file needs a name of its own"
            problems.append(_at(("model",), document, reason))
        else:
            first[model] = file
    return problems


def _at(path: Path_, document: Document, reason: str, suggestion: str | None = None) -> Problem:
    return Problem(
        file=document.file,
        line=document.line(path),
        key=dotted(path),
        value=shown_value(document.at(path)),
        reason=reason,
        suggestion=suggestion,
    )


def _caught(load: Callable[[], object]) -> list[Problem]:
    try:
        load()
    except ConfigError as error:
        return list(error.problems)
    return []
