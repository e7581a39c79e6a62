"""`python -m pressrun.serving`: what it asks for, what it refuses and what it tells."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pressrun.serving.__main__ import main
from pressrun.serving.swapping import ModelsFileError, read_models
from tests.serving.models import models_file, topics
from tests.serving.running import REAL, Running, running

NAMES = ('a b/c"<i>', "", "-a", "a" * 101, "ä", "a\n")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be served, instead of serving it."""
    asked: list[dict[str, Any]] = []
    for name in ("serve", "serve_models"):
        monkeypatch.setattr(
            f"pressrun.serving.__main__.{name}", lambda what, **more: asked.append({"what": str(what), **more})
        )
    return asked


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that it says before it ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_bundle_alone_is_served_by_its_own_name_as_version_0(tmp_path: Path, served: list[dict[str, Any]]) -> None:
    topics(tmp_path / "bundle")
    main([str(tmp_path / "bundle"), "--port=1"])
    (asked,) = served
    assert (asked["model"], asked["version"], asked["arm"], asked["generation"]) == ("topics", "0", "champion", 0)


def test_a_file_s_models_are_served_with_what_else_is_given(tmp_path: Path, served: list[dict[str, Any]]) -> None:
    file, _ = models_file(tmp_path)
    main([f"--models={file}", "--port=1", f"--spool={tmp_path / 'spool'}", "--server-id=s1", "--log=durable"])
    (asked,) = served
    assert (asked["what"], asked["server_id"], asked["durable"]) == (str(file), "s1", True)


@pytest.mark.parametrize("more", [["--arm=candidate"], ["--generation=0"], ["--digest=00"], ["--controller=c"],
                                  ["--model=a"], ["--version=1"], ["bundle"]])  # fmt: skip
def test_what_a_models_file_would_silence_is_refused(
    more: Sequence[str], tmp_path: Path, served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = models_file(tmp_path)
    said = refused(capsys, f"--models={file}", "--port=1", *more)
    assert "argument --models" in said
    assert more[0].partition("=")[0] in said.partition("not allowed with")[2]
    assert served == []


@pytest.mark.parametrize("given", ["--depth=0", "--depth=-1", "--cached=-5", "--threads=0", "--body-seconds=nan",
                                   "--body-seconds=0", "--server-id=../escaped", "--server-id=a/b",
                                   "--spool="])  # fmt: skip
def test_what_no_server_could_work_with_is_told_by_its_option(
    given: str, tmp_path: Path, served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    topics(tmp_path / "bundle")
    said = refused(capsys, str(tmp_path / "bundle"), "--port=1", given)
    assert f"argument {given.partition('=')[0]}: " in said
    assert served == []


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_that_a_models_file_takes(
    name: str, tmp_path: Path, served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:

    file = tmp_path / "models.json"
    for option in ("model", "version"):
        assert f"argument --{option}" in refused(capsys, str(tmp_path), "--port=1", f"--{option}={name}")
        entry = {"model": "a", "version": "1", "bundle": "a", option: name}
        file.write_text(json.dumps({"models": [entry]}), encoding="utf-8")
        with pytest.raises(ModelsFileError, match=option):
            read_models(file)


def test_without_anything_to_serve_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--port=1")
    assert "bundle" in said
    assert "--models" in said


def test_what_cannot_be_served_is_told_by_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRESSRUN_LOG_KEY", raising=False)
    topics(tmp_path / "bundle")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("{}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = f"--port={free.getsockname()[1]}"
    bundle, file = str(tmp_path / "bundle"), str(tmp_path / "file")
    for option, arguments in {
        "bundle: nowhere is no folder": ["nowhere"],
        f"bundle: {tmp_path}/empty/bundle.json": [str(tmp_path / "empty")],
        "--digest: ": [bundle, "--digest=00"],
        "--models: nowhere": ["--models=nowhere"],
        f"--models: {file}: ": [f"--models={file}"],
        "--log-hash: fields are hashed with a key": [bundle, "--log-hash=article_id", f"--spool={tmp_path / 'spool'}"],
        "--spool: ": [bundle, f"--spool={file}"],
    }.items():
        assert f"error: argument {option}" in refused(capsys, port, *arguments)
    for wrong in ("0", "65536", "http"):
        assert "argument --port" in refused(capsys, bundle, f"--port={wrong}")


@pytest.mark.parametrize(
    "silent",
    [("--log=durable",), ("--log-hash=article_id",), ("--log-drop=scores",), ("--log-drop=scores", "--log=durable")],
)
def test_what_says_how_to_log_is_refused_where_nothing_is_logged(
    silent: Sequence[str], tmp_path: Path, served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whoever asks for a durable log and gets none learns it on the day that the rows are wanted."""
    monkeypatch.setenv("PRESSRUN_LOG_KEY", "a key of the newsroom's own")
    topics(tmp_path / "bundle")
    said = refused(capsys, str(tmp_path / "bundle"), "--port=1", *silent)
    assert "argument --spool" in said
    assert all(option.partition("=")[0] in said for option in silent)
    assert served == []
    main([str(tmp_path / "bundle"), "--port=1", "--log=best-effort"])
    main([str(tmp_path / "bundle"), "--port=1", f"--spool={tmp_path / 'spool'}", *silent])
    assert len(served) == 2


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "192.0.2.1"])
def test_a_host_that_is_none_of_this_machine_s_is_told_by_its_option(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics(tmp_path / "bundle")
    said = refused(capsys, str(tmp_path / "bundle"), "--port=1", f"--host={host}")
    assert f"argument --host: {host} " in said


def test_it_tells_once_where_it_serves_what(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, _ = models_file(tmp_path)
    with running(tmp_path, models=file, program=REAL) as server:
        told = announced(server, capfd)
    assert "INFO" in told
    assert f"topics v1, clicks v1 on {server.url}" in told
    assert f"{server.url}/docs" in told


def announced(server: Running, capfd: pytest.CaptureFixture[str]) -> str:
    """The line on stderr that names the address."""

    seen, end = "", time.monotonic() + 20
    while server.url not in seen:
        assert time.monotonic() < end, seen
        time.sleep(0.05)
        seen += capfd.readouterr().err
    (line,) = [line for line in seen.splitlines() if server.url in line]
    return line
