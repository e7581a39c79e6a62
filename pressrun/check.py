"""What `pressrun check` tells: everything about config files that can be told before a night is run or paid for.

A stage is imported only where a pipeline leaves its own ground: code of one's own, options, an LLM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pressrun.config import check
from pressrun.config.document import Path_, dotted, read_document
from pressrun.config.environment import LakeMirror
from pressrun.config.explain import near_miss
from pressrun.config.families import DistilledFamily
from pressrun.config.find import resolve_path
from pressrun.config.load import environment_file, load_environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError, Problem, shown_value
from pressrun.config.spark import Kubernetes, Local
from pressrun.config.stages import Stages
from pressrun.config.uses import Finding
from pressrun.lake.errors import StoreError
from pressrun.lake.stores import check_options, is_root, known_options


def check_all(pipelines: Sequence[str | Path] = (), environment: str | Path | None = None) -> list[Problem]:
    """The problems of the named pipelines (by default all) and of the environment. Imports what `uses` names.

    Code of a stage with an environment of its own is not imported: its packages are not here.
    """
    stages = _stages(environment)
    training = () if stages.train.environment else (_training,)
    found = check.check_all(pipelines, environment, prechecks=(_labeling, *training, _gates, _drift))
    unreachable = list(_out_of_reach(environment))
    told = {problem.key for problem in unreachable}
    lakes = [problem for problem in _lakes(environment) if problem.key not in told]
    return [*found, *_locks(stages, environment), *unreachable, *lakes]


def _stages(environment: str | Path | None) -> Stages:
    try:
        return load_environment(environment).stages
    except ConfigError:  # told already, with all else that is wrong
        return Stages()


def _locks(stages: Stages, environment: str | Path | None) -> Iterator[Problem]:
    """Locks that are missing, or that would not make the same environment every time."""
    for name in Stages.model_fields:
        place = stages.of(name).environment
        if place is None or place.lock is None:
            continue
        document, path = read_document(environment_file(environment)), ("stages", name, "environment", "lock")
        for reason in _wrong_with(resolve_path(place.lock)):
            value = shown_value(document.at(path))
            yield Problem(file=document.file, line=document.line(path), key=dotted(path), value=value, reason=reason)


def _out_of_reach(name: str | Path | None) -> Iterator[Problem]:
    """What a cloud's own machines could not read. Pods of a cluster may have a volume in common."""
    try:
        environment = load_environment(name)
    except ConfigError:  # told already
        return
    platform = environment.spark.platform
    if isinstance(platform, Local | Kubernetes):
        return
    own = [(("spark", "platform", key), getattr(platform, key)) for key in ("staging", "python_archive")]
    addresses: list[tuple[Path_, str | None]] = [(("lake", "root"), environment.lake.root), *own]
    document = read_document(environment_file(name))
    for path, address in addresses:
        if address and urlsplit(address).scheme not in ("s3", "gs"):
            reason = f"jobs of {platform.kind} run elsewhere and read s3:// or gs:// alone; name a bucket"
            value = shown_value(document.at(path))
            yield Problem(file=document.file, line=document.line(path), key=dotted(path), value=value, reason=reason)


def _lakes(name: str | Path | None) -> Iterator[Problem]:
    """A lake or a mirror that could not be opened, as far as addresses and options tell."""
    try:
        environment = load_environment(name)
    except ConfigError:  # told already
        return
    document, lake = read_document(environment_file(name)), environment.lake
    found = [*_store(("lake",), "root", lake.root, lake.storage_options)]
    for at, mirror in enumerate(lake.mirrors):
        found += _mirror(("lake", "mirrors", at), mirror, near=lake.root)
    for one in found:
        value = shown_value(document.at(one.path))
        yield Problem(
            file=document.file,
            line=document.line(one.path),
            key=dotted(one.path),
            value=value,
            reason=one.reason,
            suggestion=one.suggestion,
        )


def _mirror(path: Path_, mirror: LakeMirror, *, near: str) -> Iterator[Finding]:
    there = mirror.to
    if is_root(mirror.to):
        yield from _store(path, "to", mirror.to, mirror.storage_options)
    else:
        try:
            there = load_environment(mirror.to).lake.root
        except ConfigError as error:
            first = error.problems[0]
            reason = f"{first.key}: {first.reason}" if first.key else first.reason
            yield Finding(path=(*path, "to"), reason=reason, suggestion=first.suggestion)
        if mirror.storage_options:
            reason = f"{mirror.to} is an environment, whose file has its own; give those of a root only"
            yield Finding(path=(*path, "storage_options"), reason=reason)
    if there.rstrip("/") == near.rstrip("/"):
        yield Finding(path=(*path, "to"), reason="it is the lake itself; name another root or environment")


def _store(path: Path_, address: str, root: str, options: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the options: under the first of them that is wrong by itself; else with the address."""
    reason = _refusal(root, {})
    if reason:
        yield Finding(path=(*path, address), reason=reason)
    elif reason := _refusal(root, options):
        # Some are wrong only together.
        name = next((name for name, value in options.items() if _refusal(root, {name: value}) == reason), None)
        where = (*path, "storage_options") if name is None else (*path, "storage_options", name)
        meant = near_miss(name, known_options(root)) if "is no option" in reason else None
        yield Finding(path=where, reason=reason, suggestion=meant)


def _refusal(root: str, options: Mapping[str, str]) -> str:
    try:
        check_options(root, options)
    except StoreError as error:
        return str(error).removeprefix("storage_options: ")
    return ""


def _wrong_with(lock: Path) -> Iterator[str]:
    from pressrun.environments.lock import problems

    if lock.is_file():
        yield from problems(lock, lock.read_bytes())
    else:
        yield f"there is no such file; make it: uv pip compile {lock.stem}.in --generate-hashes -o {lock.name}"


def _labeling(pipeline: Pipeline) -> Iterable[Finding]:
    if not any(spec.uses or spec.options or spec.labeler == "llm" for spec in pipeline.label.chain):
        return ()
    from pressrun.labeling.precheck import precheck

    return precheck(pipeline)


def _training(pipeline: Pipeline) -> Iterable[Finding]:
    built_in = (str, DistilledFamily)
    if all(isinstance(spec, built_in) for spec in (*pipeline.train.families, *pipeline.train.features)):
        return ()
    from pressrun.training.precheck import precheck

    return precheck(pipeline)


def _gates(pipeline: Pipeline) -> Iterable[Finding]:
    if not (pipeline.gate.metrics or pipeline.gate.checks):
        return ()
    from pressrun.gates.own import precheck

    return precheck(pipeline)


def _drift(pipeline: Pipeline) -> Iterable[Finding]:
    if not pipeline.drift.tests:
        return ()
    from pressrun.drift.own import precheck

    return precheck(pipeline)
