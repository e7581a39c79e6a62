"""A stage's process beside the task: what it is given, what it answers, and that it ends when the task does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pressrun.compute import ConfigurationFailed, JobFailed, PlatformFailed
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.stages import Resources, StagePlace
from pressrun.environments.order import ProcessOrder
from pressrun.environments.process import StageProcess
from pressrun.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.step import Step
from pressrun.training import TrainingError

REPOSITORY = Path(__file__).parents[2]
KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="ingest")
# Replaces the stage in the process, where it is asked to.
SITE = """
import os
import sys
if "pressrun.inside" in sys.orig_argv and (name := os.environ.get("PRESSRUN_TEST_STAGE")):
    from pressrun import loop
    from tests.environments import stage
    loop._STAGES["ingest"] = getattr(stage, name)
"""


@pytest.fixture
def order(environment: Environment, pipeline: Pipeline, lake: Lake) -> ProcessOrder:
    step = Step(key=KEY, pipeline=pipeline, environment=environment, lake=lake)
    return ProcessOrder.of(step, stage="ingest", upstream=[], runtime="", trace={})


@pytest.fixture
def search_path(tmp_path: Path) -> str:
    (tmp_path / "sitecustomize.py").write_text(SITE)
    return os.pathsep.join([str(tmp_path), str(REPOSITORY), *sys.path])


def process(
    search_path: str, stage: str, *, heard: list[tuple[object, ...]] | None = None, **asked: object
) -> StageProcess:
    said = [] if heard is None else heard
    return StageProcess(
        python=Path(sys.executable),
        search_path=search_path,
        resources=Resources.model_validate(asked),
        progress=lambda message, done=0, total=None: said.append((message, done, total)),
        extra={"PRESSRUN_TEST_STAGE": stage},
    )


def gone(pid: int, *, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def pids(home: Path, *, within: float = 30) -> list[int]:
    deadline = time.monotonic() + within
    while not (file := home / "pids").exists() or len(file.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(word) for word in file.read_text().split()]


def test_it_runs_the_stage_with_its_share_and_without_airflows_settings(
    search_path: str, order: ProcessOrder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////airflow.db")
    caplog.set_level("INFO")
    heard: list[tuple[object, ...]] = []
    result = process(search_path, "told", heard=heard, cpu=1.5).run(order)
    assert result.facts["threads"] == "2"
    assert result.facts["airflow"] == []
    assert result.facts["pid"] != os.getpid()
    assert result.facts["placed"] == ""
    assert result.facts["database"] == order.environment["database"]
    assert heard == [("counting", 2, 5)]
    assert "a line of the log" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by Linux")
def test_one_that_takes_more_memory_than_it_may_is_ended_with_the_key_to_raise(
    search_path: str, order: ProcessOrder
) -> None:
    with pytest.raises(ConfigurationFailed, match=r"may take 500Mi\. Raise stages\.ingest\.resources\.memory"):
        process(search_path, "greedy", memory="500Mi").run(order)


def test_what_a_stage_raises_is_raised_here(search_path: str, order: ProcessOrder) -> None:
    with pytest.raises(TrainingError, match=r"^two topics at least need labels$"):
        process(search_path, "refuses").run(order)


def test_a_strangers_error_is_a_failed_job_with_its_words(search_path: str, order: ProcessOrder) -> None:
    with pytest.raises(JobFailed, match=r"KeyError: 'title', at .*stage\.py:\d+\. The traceback is in the task's log"):
        process(search_path, "stumbles").run(order)


def test_a_process_that_somebody_kills_is_told_as_such(search_path: str, order: ProcessOrder) -> None:
    with pytest.raises(PlatformFailed, match=r"killed by signal SIGKILL: .*last words"):
        process(search_path, "killed").run(order)


def test_stopping_the_task_ends_the_stage_and_what_it_has_started(
    search_path: str, order: ProcessOrder, home: Path
) -> None:
    running = process(search_path, "endless")
    ended: list[BaseException] = []

    def run() -> None:
        try:
            running.run(order)
        except JobFailed as error:
            ended.append(error)

    task = threading.Thread(target=run)
    task.start()
    found = pids(home)
    running.stop()
    task.join(timeout=10)
    assert "was stopped" in str(ended[0])
    assert [gone(pid) for pid in found] == [True, True]


def test_a_task_that_is_killed_takes_its_stage_with_it(
    search_path: str, order: ProcessOrder, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "order.json").write_text(order.model_dump_json())
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.environments.test_process import process, ProcessOrder\n"
        "order = ProcessOrder.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "process(sys.argv[3], 'endless').run(order)\n"
    )
    given = [sys.executable, "-c", program, str(tmp_path / "order.json"), str(REPOSITORY), search_path]
    task = subprocess.Popen(given, stdout=subprocess.DEVNULL)
    found = pids(home)
    os.kill(task.pid, signal.SIGKILL)
    task.wait()
    assert [gone(pid) for pid in found] == [True, True]


def test_resources_alone_make_a_process_and_nothing_named_makes_none() -> None:
    assert StagePlace.model_validate({"resources": {"memory": "1Gi"}}).in_process
    assert not StagePlace().in_process
