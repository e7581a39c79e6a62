"""What changed between the champion's training and the candidate's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pressrun.basis import Basis
from pressrun.overview.steps import Done

_DATA = {"data": ("ingest", "articles"), "labels": ("label", "all_labels")}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One kind of thing: `changed` is None where it was not recorded."""

    what: str
    changed: bool | None
    words: str


def changes(champion: Mapping[str, Done], candidate: Mapping[str, Done]) -> tuple[Change, ...]:
    """Compares the steps (by stage) of the run that made the champion with those of the candidate's run."""
    rows = [_dataset(what, champion, candidate) for what in _DATA]
    before, after = _basis(champion), _basis(candidate)
    if before is None or after is None:
        missing = ("taxonomy", "prompt", "config", "code", "environment")
        return (*rows, *(Change(what=what, changed=None, words="not recorded") for what in missing))
    return (
        *rows,
        _digest("taxonomy", before.taxonomy, after.taxonomy),
        _digest("prompt", before.prompt, after.prompt),
        _config(before, after),
        _digest("code", before.code, after.code),
        _digest("environment", before.environment, after.environment),
    )


def _dataset(what: str, champion: Mapping[str, Done], candidate: Mapping[str, Done]) -> Change:
    stage, name = _DATA[what]
    old, new = (run[stage].result.datasets.get(name) if stage in run else None for run in (champion, candidate))
    if old is None or new is None:
        return Change(what=what, changed=None, words="not recorded")
    if old.digest == new.digest:
        return Change(what=what, changed=False, words=f"the same {new.rows:,} rows")
    return Change(what=what, changed=True, words=f"{old.rows:,} → {new.rows:,} rows")


def _basis(run: Mapping[str, Done]) -> Basis | None:
    return run["train"].basis if "train" in run else None


def _digest(what: str, old: str, new: str) -> Change:
    if old == new:
        return Change(what=what, changed=False, words=f"the same ({new})" if new else "none")
    return Change(what=what, changed=True, words=f"{old or 'none'} → {new or 'none'}")


def _config(old: Basis, new: Basis) -> Change:
    names = sorted({*old.config, *new.config})
    different = [name for name in names if old.config.get(name) != new.config.get(name)]
    words = f"changed: {', '.join(different)}" if different else "the same"
    return Change(what="config", changed=bool(different), words=words)
