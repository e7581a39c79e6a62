"""Code of one's own, as people name it and as people write it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from pressrun.config.problems import ConfigError
from pressrun.config.uses import Finding, check_uses, make_uses, resolve_uses


class Counter(Protocol):
    """Counts."""

    @property
    def name(self) -> str: ...

    def count(self, words: Sequence[str], *, most: int) -> int: ...


class Rule(Protocol):
    """Holds or not."""

    def __call__(self, words: Sequence[str], limit: int) -> bool: ...


class Good:
    def __init__(self, *, start: int = 0) -> None:
        self.name = f"good from {start}"

    def count(self, words: Sequence[str], *, most: int) -> int:
        return min(len(words), most)


@dataclass(kw_only=True)
class GoodData:
    name: str = "data"

    def count(self, words: Sequence[str], most: int) -> int:
        return most


class Inherits(Good):
    name = "inherits"


class Named(Counter):
    """Says that it is a Counter and is none."""

    name = "named"


class Nameless:
    def count(self, words: Sequence[str], *, most: int) -> int:
        return 0


class TakesOther(Good):
    def count(self, texts: Sequence[str]) -> int:  # type: ignore[override]
        return 0


class Unfinished(Good, ABC):
    @abstractmethod
    def begin(self) -> None: ...


class Demanding(Good):
    def __init__(self, *, table: str) -> None:
        super().__init__()


def good_counter(**options: Any) -> Good:
    return Good(**options)


def is_short(words: Sequence[str], limit: int) -> bool:
    return len(words) < limit


def takes_one(words: Sequence[str]) -> bool:
    return True


class IsShort:
    def __init__(self, *, limit: int = 3) -> None:
        self.limit = limit

    def __call__(self, words: Sequence[str], limit: int) -> bool:
        return len(words) < self.limit


def found(name: str, protocol: type, **options: Any) -> list[Finding]:
    return list(check_uses(("train", "own"), f"{__name__}:{name}", options, protocol))


@pytest.mark.parametrize("name", ["Good", "GoodData", "Inherits"])
def test_a_class_that_keeps_its_protocol_is_made_with_its_options(name: str) -> None:
    assert found(name, Counter) == []
    assert make_uses(f"{__name__}:{name}", Counter).count(["a", "b"], most=1) == 1


def test_options_are_what_it_is_made_with() -> None:
    assert make_uses(f"{__name__}:Good", Counter, {"start": 4}).name == "good from 4"
    (finding,) = found("Good", Counter, strat=4)
    assert finding.path == ("train", "own", "options", "strat")
    assert "Good takes no strat" in finding.reason
    assert finding.suggestion == "start"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Named", "it lacks count of"),
        ("Nameless", "it lacks name of"),
        ("TakesOther", "count(words, *, most) is what Pressrun calls, but TakesOther's count"),
        ("Unfinished", "it leaves begin abstract"),
        ("Demanding", "Demanding needs table"),
        ("good_counter", "it is a function; name a class"),
        ("__name__", "it is a str; name a class"),
    ],
)
def test_what_breaks_its_protocol_is_told_without_being_made(name: str, said: str) -> None:
    (finding,) = found(name, Counter)
    assert said in finding.reason
    with pytest.raises(ConfigError, match=said.split("(")[0]):
        make_uses(f"{__name__}:{name}", Counter)


def test_a_function_or_a_class_may_be_what_is_called() -> None:
    assert found("is_short", Rule) == found("IsShort", Rule, limit=2) == []
    assert make_uses(f"{__name__}:is_short", Rule)(["a"], 2)
    assert make_uses(f"{__name__}:IsShort", Rule, {"limit": 2})(["a"], 9)


@pytest.mark.parametrize(
    ("name", "said"),
    [("takes_one", "(words, limit) is what Pressrun calls"), ("Good", "it lacks __call__")],
)
def test_what_cannot_be_called_so_is_told(name: str, said: str) -> None:
    (finding,) = found(name, Rule)
    assert said in finding.reason


def test_a_function_takes_no_options() -> None:
    (finding,) = found("is_short", Rule, limit=2)
    assert finding.path == ("train", "own", "options")
    assert "is a function and takes no options" in finding.reason


def test_own_code_is_found_by_module_and_name() -> None:
    assert resolve_uses("collections:OrderedDict").__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("nowhere:X", r"nowhere cannot be imported .* PYTHONPATH"),
        ("collections:OrdredDict", r"has no OrdredDict\. Did you mean OrderedDict"),
    ],
)
def test_own_code_that_is_not_there_is_told(uses: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve_uses(uses)


def test_own_code_that_fails_when_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_written.py").write_text("class Mine(Missing): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"half_written fails when it is imported \(NameError"):
        resolve_uses("half_written:Mine")
