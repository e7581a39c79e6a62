"""Servers of buckets: every SDK finds them by the environment alone, and they end with whoever started them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from pressrun.buckets import gcs_server, s3_server
from tests.fakes.buckets import bucket_server

_START = """
import os, signal
from pressrun.buckets import {kind}_server
with {kind}_server() as server:
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_server_ends_with_the_process_that_started_it_however_that_ends(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START.format(kind=kind)], stdout=subprocess.PIPE, text=True, check=False
    )
    server = int(done.stdout)
    for _ in range(100):
        if not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail(f"the {kind} server, process {server}, is still there")


@pytest.mark.parametrize("make", [s3_server, gcs_server])
def test_nothing_is_left_of_a_server_that_was_ended(make: object) -> None:
    before = set(psutil.Process().children(recursive=True))
    with make() as server:  # type: ignore[operator]
        assert psutil.pid_exists(server.pid)
    left = [child for child in psutil.Process().children(recursive=True) if child not in before]
    assert [child for child in left if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def test_the_sdks_find_the_servers_by_the_environment_alone() -> None:
    s3, gcs = bucket_server("s3"), bucket_server("gcs")
    s3.make_bucket("by-environment")
    gcs.make_bucket("by-environment")
    code = """
import boto3
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
print([b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"] if b["Name"] == "by-environment"])
client = storage.Client(credentials=AnonymousCredentials())
print([b.name for b in client.list_buckets() if b.name == "by-environment"])
"""
    pytest.importorskip("boto3")
    environment = {**os.environ, **s3.environment, **gcs.environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "['by-environment']\n['by-environment']\n", done.stderr
