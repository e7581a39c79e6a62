from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pressrun.demo.services import Service, ServiceError, Services

SLEEPER = "import time; time.sleep(60)"
SPAWNER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); {SLEEPER}"


def _tree(home: Path) -> list[psutil.Process]:
    return [
        p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("PRESSRUN_TEST_HOME") == str(home)
    ]


def _spawner(home: Path) -> Service:
    return Service(
        name="spawner",
        command=[sys.executable, "-c", SPAWNER],
        ready=lambda: len(_tree(home)) == 2,
        environment={"PRESSRUN_TEST_HOME": str(home)},
        patience=120,
    )


def test_stop_leaves_no_process_not_even_a_grandchild(tmp_path: Path) -> None:
    services = Services(home=tmp_path)
    services.start(_spawner(tmp_path))
    services.wait(_spawner(tmp_path))
    services.stop()
    assert _tree(tmp_path) == []


STUBBORN = """
import signal, sys, time
def slowly(*_):
    time.sleep(2)
    sys.exit()
signal.signal(signal.SIGTERM, slowly)
time.sleep(60)
"""
IMPATIENT = """
import os, signal, sys, threading, time
from pathlib import Path
from pressrun.demo.services import Service, Services
home, stubborn = sys.argv[1:]
services = Services(home=Path(home))
here = {"PRESSRUN_TEST_HOME": home}
command = [sys.executable, "-c", stubborn]
services.start(Service(name="stubborn", command=command, ready=lambda: True, environment=here))
time.sleep(1)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
services.stop()
print("stopped")
"""


def test_an_impatient_second_ctrl_c_does_not_interrupt_the_stopping(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPATIENT, str(tmp_path), STUBBORN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["stopped"]), done.stderr
    assert _tree(tmp_path) == []


def test_what_a_killed_demo_left_is_cleaned_up_by_the_next(tmp_path: Path) -> None:
    killed = Services(home=tmp_path)
    killed.start(_spawner(tmp_path))
    killed.wait(_spawner(tmp_path))
    assert Services(home=tmp_path).clean_up_after_crash() == 1
    time.sleep(0.1)
    assert [p for p in _tree(tmp_path) if p.status() != psutil.STATUS_ZOMBIE] == []


def test_a_service_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    services = Services(home=tmp_path)
    service = Service(
        name="broken", command=[sys.executable, "-c", "print('no such database'); exit(3)"], ready=lambda: False
    )
    services.start(service)
    with pytest.raises(ServiceError, match=r"(?s)broken ended with 3.*no such database"):
        services.wait(service)
    services.stop()
