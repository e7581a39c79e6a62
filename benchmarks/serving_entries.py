"""Servers made ready to be measured: an environment of pinned packages, the model in its own form, requests' bodies."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving_models import Task
from serving_process import HOST
from serving_servers import OURS, Peer, Wire

HERE = Path(__file__).resolve().parent
PEERS = HERE / "serving_peers"
PYTHON = "3.11"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A server ready to be started with a model: its programs, the model in its own form, the requests' bodies."""

    peer: Peer
    task: Task
    programs: Path
    store: Path
    bodies: Path

    @property
    def key(self) -> dict[str, str]:
        return {"model": self.task.kind, "peer": self.peer.name}

    @property
    def wire(self) -> Wire:
        return self.peer.wires[self.task.kind]

    def command(self, ports: Sequence[int]) -> list[str]:
        return shlex.split(self._filled(self.peer.command, ports))

    def variables(self, ports: Sequence[int]) -> dict[str, str]:
        own = {name: self._filled(value, ports) for name, value in self.peer.variables.items()}
        path = f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**common_variables(self.peer, self.task), "PATH": path, **own}

    def _filled(self, template: str, ports: Sequence[int]) -> str:
        return template.format(
            programs=self.programs, store=self.store, files=PEERS / self.peer.name, kind=self.task.kind, host=HOST,
            port=ports[0], second_port=ports[1], third_port=ports[2],
        )  # fmt: skip


def common_variables(peer: Peer, task: Task) -> dict[str, str]:
    """What every server's process is told: one thread, as it has one core, and where the model lies."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    model = {"MODEL_KIND": task.kind, "MODEL_FOLDER": str(task.folder)}
    path = HERE.parent if peer.name == OURS else PEERS / "shared"
    return {**threads, **model, "PYTHONPATH": str(path), "TOKENIZERS_PARALLELISM": "false"}


def made_ready(peer: Peer, task: Task, home: Path) -> Entry:
    """Raises OSError, CalledProcessError or NotImplementedError when the peer cannot serve the model."""
    programs = installed(peer, task.kind, home)
    store = prepared(peer, task, programs, home)
    return Entry(peer=peer, task=task, programs=programs, store=store, bodies=bodies(peer, task, home))


def installed(peer: Peer, kind: str, home: Path) -> Path:
    """The programs of the peer's environment, made from its pinned requirements. Raises SystemExit without uv."""
    if peer.name == OURS:
        return Path(sys.executable).parent
    wanted = PEERS / peer.name / ("requirements-transformer.txt" if kind == "transformer" else "requirements.txt")
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    folder = home / "environments" / f"{peer.name}-{digest}"
    if not (folder / "complete").is_file():
        uv = shutil.which("uv")
        if uv is None:
            raise SystemExit("the peers' environments are made by uv: install it, then try again")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", PYTHON, str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", str(wanted)], check=True)
        (folder / "complete").touch()
    return folder / "bin"


def prepared(peer: Peer, task: Task, programs: Path, home: Path) -> Path:
    """The folder that holds the model in the peer's own form, made anew: a changed configuration is never missed."""
    store = home / "stores" / f"{peer.name}-{task.kind}"
    shutil.rmtree(store, ignore_errors=True)
    store.parent.mkdir(parents=True, exist_ok=True)
    if peer.name == OURS:
        from serving_bundles import write

        write(task, store)
        return store
    script = PEERS / peer.name / "prepare.py"
    if script.is_file():
        told = {**os.environ, **common_variables(peer, task)}
        subprocess.run([str(programs / "python"), str(script), str(store)], env=told, check=True, cwd=store.parent)
    store.mkdir(exist_ok=True)
    return store


def bodies(peer: Peer, task: Task, home: Path) -> Path:
    """A file with a request's body on each line."""
    file = home / "bodies" / f"{peer.name}-{task.kind}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    wire = peer.wires[task.kind]
    file.write_text("\n".join(map(wire.body, task.inputs)) + "\n", encoding="utf-8")
    return file
