"""Starting and ending the servers, and what their clients need to reach them."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import psutil

from pressrun.buckets.running import announce

Kind = Literal["s3", "gcs"]
REGION = "us-east-1"


class NoBucketServer(RuntimeError):
    """The server did not start. Its message holds what it said."""


@dataclass(frozen=True, kw_only=True)
class BucketServer:
    """A running server: `endpoint` is its address, `pid` its process."""

    kind: Kind
    endpoint: str
    pid: int = 0

    @property
    def scheme(self) -> str:
        return "s3" if self.kind == "s3" else "gs"

    @property
    def storage_options(self) -> dict[str, str]:
        """What a lake in one of its buckets is opened with."""
        return s3_options(self.endpoint) if self.kind == "s3" else gcs_options(self.endpoint)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which every SDK's default settings reach the server, without any options."""
        return s3_environment(self.endpoint) if self.kind == "s3" else gcs_environment(self.endpoint)

    def has_bucket(self, name: str) -> bool:
        """Whether the server answers and has the bucket."""
        request = urllib.request.Request(f"{self.endpoint}/{name}?list-type=2&max-keys=1", headers=_SIGNED)
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:
            return False
        return True

    def make_bucket(self, name: str) -> str:
        """Makes the bucket; returns its address, s3://name or gs://name."""
        if self.kind == "s3":
            request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT", headers=_SIGNED)
        else:
            body = json.dumps({"name": name}).encode()
            headers = {"Content-Type": "application/json"}
            url = f"{self.endpoint}/storage/v1/b?project=pressrun"
            request = urllib.request.Request(url, data=body, method="POST", headers=headers)
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
        return f"{self.scheme}://{name}"


# Moto asks who signed, which decides the account, and not whether the signature is right.
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request"}


def s3_options(endpoint: str) -> dict[str, str]:
    """object_store's options for the S3 server."""
    return {
        "aws_endpoint_url": endpoint,
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "aws_region": REGION,
        "aws_allow_http": "true",
        "aws_conditional_put": "etag",
    }


def s3_environment(endpoint: str) -> dict[str, str]:
    """The same as variables, which boto3 and Arrow read too."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def gcs_options(endpoint: str) -> dict[str, str]:
    """object_store's options for the GCS server: a key of nobody's that names the address."""
    key = {
        "gcs_base_url": endpoint,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    return {"google_service_account_key": json.dumps(key)}


def gcs_environment(endpoint: str) -> dict[str, str]:
    """The same as variables: for object_store, Google's Python client, and Google's C++ client inside Arrow."""
    return {
        "GOOGLE_SERVICE_ACCOUNT_KEY": gcs_options(endpoint)["google_service_account_key"],
        "STORAGE_EMULATOR_HOST": endpoint,
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": endpoint,
        "GOOGLE_CLOUD_PROJECT": "pressrun",
    }


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def s3_server(port: int = 0) -> Iterator[BucketServer]:
    """An S3 server on `port` of the loopback address (0: a free one). Raises NoBucketServer."""
    with _server("s3", port) as server:
        yield server


@contextmanager
def gcs_server(port: int = 0) -> Iterator[BucketServer]:
    """A GCS server that speaks Google's JSON API and its XML API on one address. Raises NoBucketServer."""
    with _server("gcs", port) as server:
        yield server


def command(kind: Kind, port: int, *, bucket: str = "") -> list[str]:
    """What to run for a server, with a bucket to begin with; it prints its address when it answers."""
    made = ["--bucket", bucket] if bucket else []
    return [sys.executable, "-m", f"pressrun.buckets.{kind}", "--port", str(port), *made]


def serve(server: BucketServer, forever: Callable[[], None], given: argparse.Namespace) -> None:
    """What the command does once it listens: serves until it is ended, makes the bucket, says that it answers."""
    serving = threading.Thread(target=forever)
    serving.start()
    if given.bucket:
        server.make_bucket(given.bucket)
    announce(server.endpoint)
    serving.join()


@contextmanager
def _server(kind: Kind, port: int) -> Iterator[BucketServer]:
    # It ends when its standard input does, so it outlives nobody.
    process = subprocess.Popen(
        [*command(kind, port), "--until-input-ends"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield BucketServer(kind=kind, endpoint=_address(process), pid=process.pid)
    finally:
        _end(process)


def _address(process: subprocess.Popen[str]) -> str:
    said = process.stdout.readline().strip() if process.stdout else ""
    if not said.startswith("http"):
        raise NoBucketServer(f"the server ended before it answered: {said or 'nothing was said'}")
    return said


def _end(process: subprocess.Popen[str]) -> None:
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    process.wait(timeout=10)
    for child in below:
        if child.is_running():
            child.kill()
