"""Runs a job's real entry point on this machine, as a platform's driver would: its files, its session, its exit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


class LocalDriver:
    """One driver. It is given no module of this process: Pressrun comes from the job's own zip."""

    def __init__(
        self, folder: Path, *, entry: str, packages: Sequence[str], files: Sequence[str], arguments: Sequence[str],
        conf: Mapping[str, str],
    ) -> None:  # fmt: skip
        place = folder / f"driver-{len(list(folder.glob('driver-*')))}"
        place.mkdir(parents=True)
        for file in files:
            (place / Path(file).name).symlink_to(file)
        settings = {**conf, "spark.master": "local[2]", "spark.driver.memory": "1g", "spark.ui.enabled": "false"}
        settings |= {"spark.sql.shuffle.partitions": "2", "spark.driver.host": "127.0.0.1"}
        settings |= {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
        submitted = " ".join(f"--conf '{key}={value}'" for key, value in settings.items())
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "JAVA_HOME", "LANG", "TMPDIR")}
        brought = {
            "PYTHONPATH": os.pathsep.join(packages),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": f"{submitted} pyspark-shell",
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        self.log = place / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-P", entry, *arguments]
            self.process = subprocess.Popen(command, cwd=place, env=kept | brought, stdout=log, stderr=log)

    def state(self, running: str, succeeded: str, failed: str) -> tuple[str, str]:
        """The service's word for how it stands, and its last line."""
        status = self.process.poll()
        if status is None:
            return running, "running"
        last = (self.log.read_text(errors="replace").strip().splitlines() or [""])[-1]
        return (succeeded if status == 0 else failed), f"ExitCode: {status}. {last}"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


Started = tuple[Callable[[], tuple[str, str]], Callable[[], None]]
"""What tells how a driver stands, and what ends it."""


def emr_driver(folder: Path, drivers: list[LocalDriver]) -> Callable[[str, Mapping[str, Any]], Started]:
    """What `FakeEmr.driver` takes: runs each started job here; keeps the drivers in `drivers`."""

    def start(service: str, given: Mapping[str, Any]) -> Started:
        submitted = next(iter(given["jobDriver"].values()))
        words = submitted["sparkSubmitParameters"].split()
        brought = {words[at]: words[at + 1].split(",") for at in range(0, len(words), 2)}
        overrides = given["configurationOverrides"]["applicationConfiguration"]
        conf = next(one["properties"] for one in overrides if one["classification"] == "spark-defaults")
        driver = LocalDriver(
            folder,
            entry=submitted["entryPoint"],
            packages=brought["--py-files"],
            files=brought["--files"],
            arguments=submitted["entryPointArguments"],
            conf=_of_sql(conf),
        )
        drivers.append(driver)
        succeeded = "SUCCESS" if service == "emr-serverless" else "COMPLETED"
        return (lambda: driver.state("RUNNING", succeeded, "FAILED")), driver.end

    return start


def dataproc_driver(folder: Path, drivers: list[LocalDriver]) -> Callable[[str, Any], Started]:
    """What `FakeDataproc.driver` takes."""

    def start(kind: str, told: Any) -> Started:
        job = told.pyspark_batch if kind == "batch" else told.pyspark_job
        conf = told.runtime_config.properties if kind == "batch" else job.properties
        driver = LocalDriver(
            folder,
            entry=job.main_python_file_uri,
            packages=list(job.python_file_uris),
            files=list(job.file_uris),
            arguments=list(job.args),
            conf=_of_sql(conf),
        )
        drivers.append(driver)
        words = ("RUNNING", "SUCCEEDED", "FAILED") if kind == "batch" else ("RUNNING", "DONE", "ERROR")
        return (lambda: driver.state(*words)), driver.end

    return start


def _of_sql(conf: Mapping[str, str]) -> dict[str, str]:
    """The settings that rows hang on; what is for a cluster is left out."""
    return {key: value for key, value in conf.items() if key.startswith("spark.sql.")}
