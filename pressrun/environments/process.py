"""A stage's own process, seen from the task: started, listened to, ended with the task."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from pressrun.compute.platform import ComputeError, ConfigurationFailed, JobFailed, PlatformFailed
from pressrun.config.stages import Resources
from pressrun.environments.order import ProcessOrder
from pressrun.environments.threads import thread_variables
from pressrun.lake.types import StageResult
from pressrun.progress import Progress

log = logging.getLogger(__name__)
GUARD = Path(__file__).with_name("guard.py")
_MODULE = "pressrun.inside"
_LAST_LINES = 15
# Airflow's own settings and connections are none of a stage's business, nor is where its packages lie.
_NOT_HANDED_ON = ("AIRFLOW_", "_AIRFLOW_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(kw_only=True)
class StageProcess:
    """One run of a stage by `python`, which imports from `search_path` before its own packages.

    `extra` are further variables of its environment.
    """

    python: Path
    search_path: str
    resources: Resources
    progress: Progress
    extra: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _stopped: bool = False

    def run(self, order: ProcessOrder) -> StageResult:
        """What the stage hands on. Raises what it raised, and ComputeError where it was ended from outside."""
        answers, theirs = os.pipe()
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with os.fdopen(answers, "rb") as answered:
            try:
                process = self._started(theirs)
            finally:
                os.close(theirs)
            told = self._attended(process, answered, order, last)
        return self._concluded(told, order, list(last))

    def stop(self) -> None:
        """Ends it, with all that it has started. Safe at any time, from a signal's handler too."""
        self._stopped = True
        self._kill()

    def _started(self, answers: int) -> subprocess.Popen[bytes]:
        limit = self.resources.memory_bytes or 0
        self._process = subprocess.Popen(
            [str(self.python), "-P", str(GUARD), str(answers), str(limit), _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(answers,),
            start_new_session=True,
            env=self._environ(),
        )
        if self._stopped:  # while it was being started
            self._kill()
        return self._process

    def _attended(
        self, process: subprocess.Popen[bytes], answered: IO[bytes], order: ProcessOrder, last: deque[str]
    ) -> dict[str, Any]:
        """What it has answered, once it has ended."""
        assert process.stdin is not None
        assert process.stdout is not None
        listening = threading.Thread(target=_tell_lines, args=(process.stdout, last), daemon=True)
        listening.start()
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(order.model_dump_json().encode() + b"\n")
                # Stays open: its end tells the guard that the task is gone.
                process.stdin.flush()
            return self._listen(answered)
        finally:
            self._kill()
            listening.join(timeout=10)
            process.wait()

    def _environ(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
        threads = thread_variables(self.resources.cpu)
        path = os.pathsep.join([str(self.python.parent), ours.get("PATH", "")])
        fixed = {"PATH": path, "PYTHONPATH": self.search_path, "PYTHONUNBUFFERED": "1"}
        return {**ours, **threads, **fixed, **self.extra}

    def _listen(self, answered: IO[bytes]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for line in answered:
            said = json.loads(line)
            if "progress" in said:
                self.progress(*said["progress"])
            else:
                told |= said
            if "exit" in said:
                break
        return told

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def _concluded(self, told: Mapping[str, Any], order: ProcessOrder, last: list[str]) -> StageResult:
        if told.get("too_much"):
            raise too_much_memory(order.stage, self.resources, int(told["memory"]))
        if "failure" in told:
            raise failure_from(**told["failure"])
        if "result" in told and told.get("exit") == 0:
            return StageResult.model_validate(told["result"])
        raise self._ended_otherwise(told.get("exit"), order.stage, last)

    def _ended_otherwise(self, status: int | None, stage: str, last: list[str]) -> ComputeError:
        said = f": {'; '.join(last)}" if last else ""
        if self._stopped:
            return JobFailed(f"stage {stage} was stopped", hint="Clear the task, or let it be retried, to begin again")
        if status is None or status < 0:
            how = f"signal {signal.Signals(-status).name}" if status else "somebody or the kernel"
            hint = f"Where the machine ran out of memory, name stages.{stage}.resources.memory; a retry begins again"
            return PlatformFailed(f"stage {stage}'s process was killed by {how}{said}", hint=hint)
        hint = "Its last lines say why; the whole is in the task's log"
        return JobFailed(f"stage {stage}'s process ended with status {status}{said}", hint=hint)


def too_much_memory(stage: str, resources: Resources, held: int) -> ConfigurationFailed:
    """The failure of a stage that took more than it may."""
    reason = f"stage {stage} took {held / 2**20:,.0f} MiB of memory, and may take {resources.memory}"
    return ConfigurationFailed(reason, hint=f"Raise stages.{stage}.resources.memory in the environment's file")


def failure_from(*, kind: str, words: str, where: str) -> Exception:
    """What the process raised: the same type where it is one of Pressrun's that is made of words, else JobFailed."""
    module, _, name = kind.partition(":")
    found: Any = None
    if module.startswith("pressrun."):
        with suppress(ImportError):
            found = getattr(import_module(module), name, None)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, ComputeError):
        with suppress(TypeError):
            return found(words)
    reason = words if module.startswith("pressrun.") else f"{name}: {words}"
    return JobFailed(f"{reason}, at {where}", hint="The traceback is in the task's log")


def _tell_lines(output: IO[bytes], last: deque[str]) -> None:
    for line in _lines(output):
        log.info("%s", line)
        last.append(line)


def _lines(output: IO[bytes]) -> Iterator[str]:
    with suppress(ValueError):
        for line in output:
            yield line.decode(errors="replace").rstrip()
