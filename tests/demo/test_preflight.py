from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pressrun.demo.preflight import PreflightError, check_disk, check_ports


def test_a_taken_port_is_named_with_its_holder_and_the_option_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PreflightError, match=rf"port {port} \(mlflow\) is in use.*--mlflow-port N"):
            check_ports(ports={"mlflow": port})


def test_free_ports_pass() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    check_ports(ports={"airflow": port})


def test_too_little_disk_says_how_much_is_there_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"GB free, the demo needs 1000000.*PRESSRUN_HOME"):
        check_disk(home=tmp_path / "not" / "yet", needed_gb=1e6)
