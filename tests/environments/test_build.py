"""Environments from locks: made once, whole or not at all, and what to do where they cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pressrun.compute import ConfigurationFailed, PlatformFailed
from pressrun.config.stages import StageEnvironment
from pressrun.environments import build
from pressrun.environments.build import python_of
from pressrun.environments.lock import LockFile, read_lock

PIN = "iniconfig==2.0.0"
needs_uv = pytest.mark.skipif(build.find_uv() is None, reason="uv is not here")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A Pressrun that needs nothing."""
    for module in ("__init__", "inside", "training/__init__"):
        file = tmp_path / "code" / "pressrun" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "code"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "environments"


def lock(folder: Path, text: str = PIN, name: str = "train.lock") -> LockFile:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return read_lock(StageEnvironment(lock=folder / name))


def said(python: Path, program: str) -> str:
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


VERSION = "import importlib.metadata as m; print(m.version('iniconfig'))"


@needs_uv
def test_however_many_ask_at_once_it_is_made_once(tmp_path: Path, folder: Path, code: Path) -> None:
    told: list[str] = []
    asked = lock(tmp_path)

    def ask(_: int) -> Path:
        return python_of(asked, folder, stage="train", code=code, progress=lambda words, *_: told.append(words))

    with ThreadPoolExecutor(3) as pool:
        (python,) = set(pool.map(ask, range(3)))
    assert told == ["making the environment of train.lock"]
    assert said(python, VERSION) == "2.0.0"
    assert [place.name for place in folder.iterdir() if place.name.startswith(".")] == []


@needs_uv
def test_one_that_was_interrupted_is_never_used(
    tmp_path: Path, folder: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def dies(*given: object) -> None:
        raise Died

    with monkeypatch.context() as killing:
        killing.setattr(build, "_try", dies)
        killing.setattr(shutil, "rmtree", lambda *given, **named: None)  # a killed task takes nothing away
        with pytest.raises(Died):
            python_of(lock(tmp_path), folder, stage="train", code=code)
    (left,) = folder.glob(".making-*")
    python = python_of(lock(tmp_path), folder, stage="train", code=code)
    assert left not in python.parents
    os.utime(left, (0, time.time() - 2 * 86400))
    python_of(lock(tmp_path, "iniconfig==2.1.0"), folder, stage="train", code=code)
    assert not left.exists()
    assert python.exists()


@needs_uv
def test_another_lock_is_another_environment(tmp_path: Path, folder: Path, code: Path) -> None:
    one = python_of(lock(tmp_path), folder, stage="train", code=code)
    two = python_of(lock(tmp_path, "iniconfig==2.1.0"), folder, stage="train", code=code)
    assert (said(one, VERSION), said(two, VERSION)) == ("2.0.0", "2.1.0")


@needs_uv
@pytest.mark.parametrize("name", ["pylock.toml", "uv.lock"])
def test_the_standards_lock_and_uvs_own_will_do(tmp_path: Path, folder: Path, code: Path, name: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["{PIN}"]\n'
    )
    made = {
        "pylock.toml": ["pip", "compile", "-q", "pyproject.toml", "-o", "pylock.toml"],
        "uv.lock": ["lock", "-q"],
    }
    uv = build.find_uv()
    assert uv is not None
    subprocess.run([uv, *made[name]], cwd=project, check=True)
    found = read_lock(StageEnvironment(lock=project / name))
    assert said(python_of(found, folder, stage="train", code=code), VERSION) == "2.0.0"


@needs_uv
def test_a_file_that_is_not_what_its_hash_says_is_refused(tmp_path: Path, folder: Path, code: Path) -> None:
    wrong = lock(tmp_path, f"{PIN} --hash=sha256:{'0' * 64}")
    with pytest.raises(ConfigurationFailed, match=r"Hash mismatch.*Mend the lock"):
        python_of(wrong, folder, stage="train", code=code)
    assert not list(folder.glob("train-*/"))


@needs_uv
def test_a_lock_that_lacks_what_pressrun_needs_says_what(tmp_path: Path, folder: Path, code: Path) -> None:
    (code / "pressrun" / "inside.py").write_text("import deltalake")
    with pytest.raises(ConfigurationFailed, match=r"No module named 'deltalake'.*pressrun requirements"):
        python_of(lock(tmp_path), folder, stage="train", code=code)


@needs_uv
def test_an_index_that_does_not_answer_is_no_fault_of_the_lock(
    tmp_path: Path, folder: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_NO_CACHE": "1", "UV_HTTP_RETRIES": "0"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlatformFailed, match="reach the package index"):
        python_of(lock(tmp_path), folder, stage="train", code=code)


@needs_uv
def test_offline_it_says_so(tmp_path: Path, folder: Path, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(PlatformFailed, match="reach the package index"):
        python_of(lock(tmp_path), folder, stage="train", code=code)


def test_without_uv_it_says_how_to_get_it(
    tmp_path: Path, folder: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "find_uv", lambda: None)
    with pytest.raises(ConfigurationFailed, match="pip install uv"):
        python_of(lock(tmp_path), folder, stage="train", code=code)
