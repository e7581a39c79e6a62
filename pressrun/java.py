"""A Java that Spark can use: found, or installed, or told how to. `python -m pressrun.java` prints it for a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pressrun.config.find import default_home

OLDEST = 17
_NEEDED_MODULE = "jdk.incubator.vector"
_REMEDY = (
    f"Spark needs Java {OLDEST} or later with the module {_NEEDED_MODULE}. Install one "
    "(Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME to it."
)


class NoJavaError(RuntimeError):
    """There is no usable Java and none could be installed. The message ends with what to do."""


@dataclass(frozen=True, kw_only=True)
class Java:
    """A usable Java: its home folder and version, as "17.0.15"."""

    home: Path
    version: str


def find_java() -> Java | None:
    """The first usable Java of JAVA_HOME, PATH, the system's folders and what was installed here."""
    return next((java for home in _homes() if (java := _usable(home))), None)


def ensure_java() -> Java:
    """Finds a Java, else installs one: by apt as root on Debian, else by install-jdk. Raises NoJavaError."""
    found = find_java()
    for install in (_by_apt, _by_install_jdk):
        if found is None:
            install()
            found = find_java()
    if found is None:
        raise NoJavaError(f"No usable Java was found, and none could be installed. {_REMEDY}")
    return found


def _homes() -> Iterator[Path]:
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parent.parent
    yield from sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    yield from sorted(_own_folder().glob("*"), reverse=True)
    yield from sorted(_own_folder().glob("*/Contents/Home"), reverse=True)


def _usable(home: Path) -> Java | None:
    java = home / "bin" / "java"
    if not java.is_file():
        return None
    said = _run([str(java), "-version"])
    found = re.search(r'version "(\d+)([^"]*)"', said)
    if not found or int(found[1]) < OLDEST or _NEEDED_MODULE not in _run([str(java), "--list-modules"]):
        return None
    return Java(home=home, version=found[1] + found[2])


def _by_apt() -> None:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    _say("Java is missing: installing openjdk-17-jre-headless with apt")
    _run(["apt-get", "update", "-qq"], patience=300)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "openjdk-17-jre-headless"], patience=600)


def _by_install_jdk() -> None:
    if not shutil.which("uv"):
        return
    _say(f"Java is missing: fetching one into {_own_folder()} with install-jdk")
    _own_folder().mkdir(parents=True, exist_ok=True)
    code = "import jdk, sys; jdk.install('17', path=sys.argv[1])"
    _run(["uv", "run", "--no-project", "--with", "install-jdk", "python", "-c", code, str(_own_folder())], patience=600)


def _own_folder() -> Path:
    return default_home() / "java"


def _run(command: list[str], patience: float = 60) -> str:
    """What the command said; empty when it could not run. What matters is whether a Java is there afterwards."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout + ended.stderr


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Prints `export JAVA_HOME=...` for a shell to evaluate."""
    try:
        java = ensure_java()
    except NoJavaError as error:
        _say(str(error))
        return 2
    _say(f"Java {java.version} in {java.home}")
    print(f"export JAVA_HOME='{java.home}' PATH='{java.home}/bin':\"$PATH\"")
    return 0


if __name__ == "__main__":
    sys.exit(main())
