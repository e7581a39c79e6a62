"""A lock for the train stage, with packages that this environment lacks or has in another version."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pressrun.environments.needed import needed

# In no environment of Pressrun's, and in another version there.
ABSENT, OTHER = "cowsay==6.1", "joblib==1.4.2"


def closure(names: list[str]) -> Iterator[str]:
    """The named distributions and all that they need, by name, as they are installed here."""
    waiting, seen = [Requirement(name) for name in names], set()
    while waiting:
        asked = waiting.pop()
        found = distribution(asked.name)
        extras = asked.extras or {""}
        mark = (asked.name.lower().replace("_", "-"), frozenset(asked.extras))
        if mark in seen:
            continue
        seen.add(mark)
        yield found.metadata["Name"]
        for line in found.requires or []:
            more = Requirement(line)
            if more.marker is None or any(more.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append(more)


def pins(*other: str) -> str:
    """Requirements with a pin each: what Pressrun needs as it is here, but for `other`."""
    changed = {Requirement(line).name for line in other}
    names = sorted({name.lower() for name in closure(needed())} - changed)
    return "".join(f"{line}\n" for line in [*(f"{name}=={distribution(name).version}" for name in names), *other])


@pytest.fixture(scope="session")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock of all that training needs."""
    file = tmp_path_factory.mktemp("locks") / "train.lock"
    file.write_text(pins(ABSENT, OTHER), encoding="utf-8")
    return file
