"""Environments made by uv from locks: once a lock, whoever asks at once; one that was not finished is never used.

Each lies in `<home>/environments/`, named by what it is made from. It is made in another folder, tried, and then takes
its name. uv's cache holds the packages, so another lock that differs in one downloads one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock

from pressrun.compute.platform import ComputeError, ConfigurationFailed, PlatformFailed
from pressrun.config.environment import Environment
from pressrun.environments.lock import LockFile, is_toml
from pressrun.lake.fingerprint import PACKAGES
from pressrun.progress import Progress, silent

log = logging.getLogger(__name__)
NO_UV = "Install it where tasks run: pip install uv, or https://docs.astral.sh/uv. An image needs none"
_UNFINISHED = ".making-"
_UNUSED_DAYS = 30
# uv's words for a package index that it could not reach.
_AWAY = (
    "error sending request",
    "Failed to fetch",
    "timed out",
    "dns error",
    "Connection refused",
    "network was disabled",
    "503 Service",
    "502 Bad",
)


def environments_of(environment: Environment) -> Path:
    """The folder of all of them."""
    return environment.home.absolute() / "environments"


def python_of(lock: LockFile, folder: Path, *, stage: str, code: Path, progress: Progress = silent) -> Path:
    """The interpreter of the lock's environment below `folder`, made where it is not there, and tried with `stage`.

    `code` is the folder that Pressrun itself is imported from. Raises ConfigurationFailed (no uv, a lock that cannot
    be installed, or that lacks what Pressrun needs) and PlatformFailed (the package index does not answer).
    """
    place = folder / f"{lock.path.stem}-{_name(lock)}"
    python = place / "bin" / "python"
    if not python.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{place.name}.lock"):
            if not python.exists():
                progress(f"making the environment of {lock.path.name}")
                # One whose base interpreter was taken away is there, and cannot be used.
                shutil.rmtree(place, ignore_errors=True)
                _make(lock, place, stage, code)
    os.utime(place)
    return python


def find_uv() -> str | None:
    """The program: on PATH, or of the package of that name."""
    if found := shutil.which("uv"):
        return found
    beside = Path(sys.prefix) / "bin" / "uv"
    return str(beside) if beside.is_file() else None


def _name(lock: LockFile) -> str:
    """A file system may be shared by machines of several kinds."""
    kind = f"{lock.digest} {sys.platform} {platform.machine()} {platform.libc_ver()[0]}"
    return hashlib.sha256(kind.encode()).hexdigest()[:16]


def _make(lock: LockFile, place: Path, stage: str, code: Path) -> None:
    uv = find_uv()
    if uv is None:
        raise ConfigurationFailed(f"{lock.path.name} is made into an environment by uv, which is not here", hint=NO_UV)
    _sweep(place.parent)
    began = time.monotonic()
    aside = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{place.name}-", dir=place.parent))
    try:
        _filled(uv, lock, aside / "made")
        _try(aside / "made" / "bin" / "python", lock, stage, code)
        (aside / "made").rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    log.info("made %s in %.1f s", place, time.monotonic() - began)


def _filled(uv: str, lock: LockFile, there: Path) -> None:
    _asked([uv, "venv", "--quiet", "--relocatable", "--python", lock.python, str(there)], lock)
    python = there / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="pressrun-lock-") as scratch:
        given = _installable(uv, lock, Path(scratch))
        hashes = ["--require-hashes"] if lock.hashed or lock.path.name == "uv.lock" else []
        _asked([uv, "pip", "sync", "--python", str(python), *hashes, str(given)], lock)


def _installable(uv: str, lock: LockFile, scratch: Path) -> Path:
    """The lock as a file that `uv pip sync` takes, with the very content that its digest is of."""
    if lock.path.name == "uv.lock":
        exported = scratch / "requirements.txt"
        asked = [uv, "export", "--quiet", "--frozen", "--no-emit-project", "--no-dev", "--project"]
        _asked([*asked, str(lock.path.parent), "--output-file", str(exported)], lock)
        return exported
    # A pylock.toml is known by its name.
    copied = scratch / ("pylock.toml" if is_toml(lock.path) else "requirements.txt")
    copied.write_bytes(lock.content)
    return copied


def _asked(command: list[str], lock: LockFile) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_clean())
    if done.returncode != 0:
        raise _failed(done.stderr.strip() or done.stdout.strip(), lock)


def _failed(said: str, lock: LockFile) -> ComputeError:
    told = "; ".join(line.strip() for line in said.splitlines()[-8:])[:900]
    reason = f"uv could not make the environment of {lock.path.name}: {told}"
    if any(word in said for word in _AWAY):
        hint = "Let this machine reach the package index, name another one (UV_DEFAULT_INDEX), or fill uv's cache first"
        return PlatformFailed(reason, hint=hint)
    return ConfigurationFailed(reason, hint="Mend the lock: uv pip compile FILE.in --generate-hashes -o FILE.lock")


def _try(python: Path, lock: LockFile, stage: str, code: Path) -> None:
    """An environment that the stage cannot begin in is no environment."""
    env = {**_clean(), "PYTHONPATH": str(code)}
    tried = f"import pressrun.inside, pressrun.{PACKAGES[stage]}"
    done = subprocess.run([str(python), "-P", "-c", tried], capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        hint = "Add what `pressrun requirements` prints to what the lock is made from, and make it anew"
        raise ConfigurationFailed(f"{lock.path.name} lacks what Pressrun itself needs: {said}", hint=hint)


def _clean() -> dict[str, str]:
    """This process's environment without what points at its own packages."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "CONDA_PREFIX")
    return {name: value for name, value in os.environ.items() if name not in ours}


def _sweep(folder: Path) -> None:
    """Takes away what a killed task left unfinished a day ago, and environments that nobody has used for a month."""
    for place in folder.iterdir():
        days = 1 if place.name.startswith(_UNFINISHED) else _UNUSED_DAYS
        if place.is_dir() and time.time() - place.stat().st_mtime > days * 86400:
            shutil.rmtree(place, ignore_errors=True)
