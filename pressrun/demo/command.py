"""`pressrun demo` and its options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Runs the demo; returns the exit code: 0, or 2 when it could not be told to its end."""
    options = _parser().parse_args(arguments)
    from pressrun.demo.airflow_client import AirflowError
    from pressrun.demo.loop import StoryStoppedError
    from pressrun.demo.preflight import PreflightError
    from pressrun.demo.run import DemoOptions, demo
    from pressrun.demo.services import ServiceError
    from pressrun.demo.stack import Ports
    from pressrun.java import NoJavaError

    ports = Ports(airflow=options.airflow_port, mlflow=options.mlflow_port, router=options.router_port)
    try:
        demo(DemoOptions(data=options.data, ports=ports, exit=options.exit))
    except (AirflowError, NoJavaError, PreflightError, ServiceError, StoryStoppedError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    named = os.environ.get("PRESSRUN_DATA")
    parser = argparse.ArgumentParser(prog="pressrun demo", description="The whole loop here, told in five parts.")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(named) if named else None,
        help="your articles, a folder or a file (default: PRESSRUN_DATA, else a simulated newsroom)",
    )
    parser.add_argument("--exit", action="store_true", help="stop after the story instead of at Ctrl-C")
    parser.add_argument("--airflow-port", type=int, default=8080)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    parser.add_argument("--router-port", type=int, default=8000)
    return parser
