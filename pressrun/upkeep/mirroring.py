"""From an environment's lake to another environment's, or to a root: what the command line and the operator share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.fs as pafs

from pressrun.config.environment import Environment
from pressrun.config.load import load_environment
from pressrun.lake.lake import Lake
from pressrun.lake.mirror import Mirrored, Selection, mirror
from pressrun.lake.refusals import explained
from pressrun.lake.stores import filesystem, is_root
from pressrun.lake.types import DatasetRef
from pressrun.progress import Progress, silent
from pressrun.step import open_lake


def mirror_to(
    environment: Environment,
    to: str,
    *,
    pipeline: str | None = None,
    tables: Sequence[str] = (),
    dataset: DatasetRef | None = None,
    storage_options: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Mirrored:
    """Mirrors the environment's lake. `to` and `storage_options` are those of `far_lake`, `pipeline` a model's name.

    With `dataset` only what it stands on. Raises ConfigError for an environment that there is not, ValueError for the
    lake itself and for a dataset beside a pipeline or tables, and what `mirror` raises.
    """
    if dataset and (pipeline or tables):
        raise ValueError(f"{dataset} has a pipeline and a table of its own; leave pipeline and tables out")
    selection = Selection.of(dataset) if dataset else Selection(pipeline=pipeline, tables=tuple(tables))
    near, far = open_lake(environment), far_lake(to, storage_options)
    if near.root == far.root:
        raise ValueError(f"{to} is the lake {near.root} itself; name another root or environment to mirror it to")
    return mirror(near, far, selection=selection, progress=progress)


def far_lake(to: str, storage_options: Mapping[str, str] | None = None) -> Lake:
    """The lake at a root (s3://, gs://, a folder), or the lake of an environment: a name, or a path to its file.

    `storage_options` are a root's; an environment has its own, and here raises ValueError when some are given.
    """
    if is_root(to):
        return Lake(to, storage_options)
    if storage_options:
        raise ValueError(f"{to} is an environment, whose file has storage_options; give those of a root only")
    return open_lake(load_environment(to))


def copies(environment: Environment) -> list[Lake]:
    """The lakes that hold rows of the environment's: the mirrors that its file names, and those of `pressrun rerun`.

    Raises ConfigError for a mirror that is named as an environment which there is not, ValueError for the lake itself.
    """
    named = [(mirror.to, far_lake(mirror.to, mirror.storage_options)) for mirror in environment.lake.mirrors]
    near = open_lake(environment).root
    for to, lake in named:
        if lake.root == near:
            raise ValueError(f"lake.mirrors names {to}, which is the lake {near} itself; take it out")
    scratch = [Lake(str(folder)) for folder in sorted(scratch_homes(environment).glob("*/lake"))]
    return [*(lake for _, lake in named), *scratch, *_scratch_beside(environment)]


def scratch_homes(environment: Environment) -> Path:
    """The folder in which `pressrun rerun` has a home for each rerun, by default with its lake in it."""
    return Path(environment.home) / "reruns"


def scratch_lakes(environment: Environment) -> str:
    """Where the lakes of reruns are whose Spark jobs run on other machines."""
    return f"{open_lake(environment).root}/_reruns"


def _scratch_beside(environment: Environment) -> list[Lake]:
    root, options = scratch_lakes(environment), environment.lake.storage_options
    # By their files: Arrow lists no folder of GCS that is none but by the names in it.
    with explained(root):
        found = filesystem(root, options).get_file_info(pafs.FileSelector("", recursive=True, allow_not_found=True))
    names = sorted({info.path.partition("/")[0] for info in found})
    return [Lake(f"{root}/{name}", options) for name in names]


def in_words(done: Mirrored) -> Iterator[str]:
    """What a run did, a line a table."""
    for table, steps in done.steps.items():
        yield f"{table}: {steps} steps brought up to date"
    yield f"{done.files} files sent, {done.size / 1e6:.1f} MB" if done.files else "nothing had to be sent"
    if done.held:
        yield f"{len(done.held)} steps changed meanwhile; the next run brings them: {', '.join(sorted(done.held)[:3])}"
    if done.partial:
        told = ", ".join(sorted(done.partial)[:3])
        yield f"{len(done.partial)} steps are not whole there, for other tables of theirs are missing or older: {told}"
