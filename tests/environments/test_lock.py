"""What may stand in a lock: pins, so that the same file makes the same environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.compute import ConfigurationFailed
from pressrun.config.stages import StageEnvironment
from pressrun.environments.lock import LockFile, problems, read_lock

GOOD = """\
# made by uv pip compile
--index-url https://pypi.org/simple
numpy==2.2.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r train.in
torch==2.9.0+cpu ; sys_platform == "linux"
psycopg[binary]==3.2.1
mine @ https://example.org/mine-1.0-py3-none-any.whl
"""


def read(tmp_path: Path, text: str, *, name: str = "train.lock", python: str | None = None) -> LockFile:
    (tmp_path / name).write_text(text)
    return read_lock(StageEnvironment(lock=tmp_path / name, python=python))


def test_what_uv_pip_compile_writes_is_a_lock(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).hashed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numpy==2.2.0\nscipy>=1.15\n", r"line 2, 'scipy>=1.15', pins no version"),
        ("numpy==2.*\n", r"line 1, .* pins no version"),
        ("numpy==2.2.0\ntorch\n", "line 2, 'torch', pins no version"),
        ("-r others.txt\nnumpy==2.2.0\n", "line 1, '-r others.txt', pins no version"),
        ("-e .\n", "line 1, '-e .', pins no version"),
        ("# nothing\n", "it names no package"),
    ],
)
def test_what_is_not_pinned_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationFailed, match=words):
        read(tmp_path, text)


def test_a_lock_that_is_missing_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailed, match=r"train\.lock cannot be read: No such file.*uv pip compile"):
        read_lock(StageEnvironment(lock=tmp_path / "train.lock"))


def test_uvs_own_lock_needs_its_project_and_toml_must_be_toml(tmp_path: Path) -> None:
    assert list(problems(tmp_path / "uv.lock", b"version = 1")) == [
        "uv.lock is read with the pyproject.toml beside it, which is missing"
    ]
    (broken,) = problems(tmp_path / "pylock.toml", b"version 1")
    assert "it is no TOML" in broken


def test_its_digest_changes_with_the_file_and_with_the_python(tmp_path: Path) -> None:
    one = read(tmp_path, "numpy==2.2.0")
    assert one.digest == read(tmp_path, "numpy==2.2.0").digest
    assert one.digest != read(tmp_path, "numpy==2.2.1").digest
    assert read(tmp_path, "numpy==2.2.0", python="3.11").digest != read(tmp_path, "numpy==2.2.0", python="3.12").digest
