"""The demo from preflight to Ctrl-C."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from pressrun.config.find import default_home
from pressrun.config.load import load_pipeline
from pressrun.demo.overlay import MODEL
from pressrun.demo.places import LAPTOP, Laptop, Place, place_of
from pressrun.demo.preflight import PreflightError, check_disk, check_ports
from pressrun.demo.screen import Screen
from pressrun.demo.stack import Ports, Stack, empty, end_what_was_left, start_stack
from pressrun.demo.stock import Stock, simulated_stock, users_stock
from pressrun.demo.story import Story, reports
from pressrun.demo.traffic import Traffic
from pressrun.java import ensure_java
from pressrun.links import model_page_url, report_url

READERS_PER_SECOND = 40.0


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """`data`: the user's folder of articles, None for the simulator; `exit`: stop after the story.

    `environment` says where models are served and the lake is: `laptop`, `s3`, `gcs` or `kubernetes`.
    """

    data: Path | None = None
    environment: str = LAPTOP
    ports: Ports = field(default_factory=Ports)
    exit: bool = False


def demo(options: DemoOptions, screen: Screen | None = None) -> None:
    """Starts the stack, tells the story, then runs on until Ctrl-C; leaves no process behind.

    Raises PreflightError, ServiceError or StoryStoppedError, each with its remedy.
    """
    screen = screen or Screen()
    home = default_home() / "demo"
    home.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    lock = FileLock(home.parent / "demo.lock", timeout=0)
    try:
        with lock:
            _demo(options, home, screen)
    except Timeout:
        raise PreflightError(
            f"Another demo runs in {home}. Stop it with Ctrl-C, or set PRESSRUN_HOME for a second one."
        ) from None


def _demo(options: DemoOptions, home: Path, screen: Screen) -> None:
    started = time.monotonic()
    place = place_of(options.environment, router_port=options.ports.router)
    stock = _stock(options.data)
    screen.console.print(f"[bold]Pressrun[/bold] · {stock.described}")
    if ended := end_what_was_left(home):
        screen.line("cleaned", f"{ended} services that an earlier demo had left")
    _preflight(options, place, home, screen)
    empty(home)
    with screen.waiting("starting MLflow, what serves and Airflow"):
        stack = start_stack(
            home=home, ports=options.ports, place=place, stock=stock,
            told=lambda name, s: screen.line(name, "ready", seconds=s),
        )  # fmt: skip
    traffic = Traffic(router_url=place.readers_url(), model=MODEL, rate=READERS_PER_SECOND)
    try:
        _tell(
            Story(stack=stack, stock=stock, screen=screen, traffic=traffic),
            screen,
            since=started,
            stays=not options.exit,
        )
        if not options.exit:
            _until_interrupted(screen)
    except KeyboardInterrupt:
        pass
    finally:
        screen.console.print("  stopping everything")
        stack.services.stop()
        traffic.stop()
        if left := place.leave(stack.environment):
            screen.console.print(left, style="yellow")
        screen.console.print("Everything is stopped. What it wrote stays in", str(home))


def _tell(story: Story, screen: Screen, *, since: float, stays: bool) -> None:
    _show_addresses(story.stack, screen)
    story.tell()
    screen.console.print()
    screen.verdicts(story.verdicts())
    screen.line("took", f"{(time.monotonic() - since) / 60:.1f} minutes")
    screen.told(story.told)
    if stays:
        _show_addresses(story.stack, screen)
        _show_what_was_made(story, screen)


def _show_addresses(stack: Stack, screen: Screen) -> None:
    user, password = stack.login
    screen.address("Airflow", f"{stack.airflow_url}  user {user}  password {password}")
    screen.address("MLflow", stack.mlflow_url)
    screen.address("rollout", stack.place.rollout_address(stack.environment, MODEL))


def _show_what_was_made(story: Story, screen: Screen) -> None:
    """Where the story can be looked at: the graph of its nights, the model page, the newest report of each judge."""
    stack = story.stack
    screen.address("graph", f"{stack.airflow_url}/dags/{MODEL}_retrain")
    screen.address("model", model_page_url(stack.environment, MODEL))
    made = reports(stack.home)
    for judge in ("gate", "drift"):
        newest = next((report for report in made if report.name.startswith(judge)), None)
        if newest is not None:
            screen.address(judge, report_url(stack.environment, str(newest)))
    screen.address("terminal", f"PRESSRUN_HOME={stack.home} uv run pressrun verdicts {MODEL}")


def _stock(data: Path | None) -> Stock:
    if data is None:
        return simulated_stock()
    return users_stock(data.expanduser().absolute(), read=load_pipeline(MODEL).articles.read)


def _preflight(options: DemoOptions, place: Place, home: Path, screen: Screen) -> None:
    ports = options.ports
    check_ports(ports={"airflow": ports.airflow})
    check_ports(ports={"mlflow": ports.mlflow}, host=place.host)
    if isinstance(place, Laptop):
        check_ports(ports={"router": ports.router})
    check_disk(home=home)
    screen.line("Java", ensure_java().version)


def _until_interrupted(screen: Screen) -> None:
    screen.console.print("\n  [bold]Ctrl-C[/bold] stops everything.")
    while True:
        time.sleep(3600)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
