"""`python -m pressrun.serving`: what the local supervisor starts, one process an arm."""

from __future__ import annotations

import argparse
import logging

from pressrun.serving.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="pressrun.serving", description="Serves one model version.")
    parser.add_argument("bundle")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    for name in ("model", "version"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("spool", "digest", "server-id", "controller"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--arm", default="champion")
    parser.add_argument("--generation", type=int, default=0)
    parser.add_argument("--parent", type=int)
    given = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serve(given.pop("bundle"), given.pop("host"), given.pop("port"), **given)


if __name__ == "__main__":
    main()
