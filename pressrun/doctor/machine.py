"""This machine: packages, disk, Java."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.doctor.found import Found, bad, doubt, good, skipped
from pressrun.java import find_java

AREA = "machine"
ENOUGH_GB, LITTLE_GB = 10.0, 2.0


def look(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    yield _packages()
    yield _home(environment.home)
    yield _java(environment, pipelines)


def _packages() -> Found:
    wrong = [words for line in requires("pressrun") or [] if (words := _unmet(Requirement(line)))]
    python = ".".join(map(str, sys.version_info[:3]))
    if wrong:
        return bad(AREA, "packages", "; ".join(wrong), remedy="install Pressrun's own lock: make setup, or uv sync")
    return good(AREA, "packages", f"Python {python}, Pressrun {version('pressrun')}, all it needs")


def _unmet(needed: Requirement) -> str:
    if needed.marker and not needed.marker.evaluate({"extra": ""}):
        return ""
    try:
        there = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name} is not installed"
    met = needed.specifier.contains(there, prereleases=True)
    return "" if met else f"{needed.name} is {there}, needed is {needed.specifier}"


def _home(home: Path) -> Found:
    """Reports, bundles and the local databases are written there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return bad(AREA, "home", f"{home}: {error}", remedy="set PRESSRUN_HOME to a folder that this user may write to")
    free = shutil.disk_usage(home).free / 1e9
    words = f"{home}, {free:.0f} GB free"
    if free < LITTLE_GB:
        return bad(AREA, "home", words, remedy="free some room, or set PRESSRUN_HOME to a folder on another disk")
    if free < ENOUGH_GB:
        return doubt(AREA, "home", words, remedy=f"{ENOUGH_GB:.0f} GB are safer: free some room")
    return good(AREA, "home", words)


def _java(environment: Environment, pipelines: Sequence[Pipeline]) -> Found:
    engines = {pipeline.sample.engine or environment.spark.engine for pipeline in pipelines}
    if "spark" not in engines:
        return skipped(AREA, "Java", "no pipeline samples with Spark here")
    found = find_java()
    if found is None:
        remedy = "apt-get install openjdk-17-jre-headless, or set JAVA_HOME, or spark.engine: duckdb"
        return bad(AREA, "Java", "no Java 17 or later with the module jdk.incubator.vector", remedy=remedy)
    return good(AREA, "Java", f"{found.version} in {found.home}")
