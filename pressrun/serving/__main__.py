"""`python -m pressrun.serving`: what the local supervisor and containers start, one process an arm."""

from __future__ import annotations

import argparse
import os
from typing import Any

from pressrun.serving.hosting import Limits
from pressrun.serving.records import FIELDS, HASHABLE, Privacy
from pressrun.serving.server import serve, serve_models
from pressrun.serving.telling import set_up_logging


def main() -> None:
    given = vars(_parser().parse_args())
    set_up_logging(given.pop("log_format"))
    place = {name: given.pop(name) for name in ("host", "port")}
    limits = Limits(**{name: given.pop(name) for name in ("depth", "cached", "threads", "body_seconds")})
    common = {"limits": limits, "durable": given.pop("log") == "durable", "privacy": _privacy(given)}
    bundle, file = given.pop("bundle"), given.pop("models")
    if file:
        both = {name: given[name] for name in ("spool", "server_id", "parent")}
        serve_models(file, **place, **common, **both)
    else:
        serve(bundle, **place, **common, **given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pressrun.serving", description="Serves one model version, or a file's models."
    )
    which = parser.add_argument_group("what is served")
    which.add_argument("bundle", nargs="?", help="the folder of one model's bundle")
    which.add_argument("--models", help="a file that names models instead; it may change while they are served")
    for name in ("model", "version", "digest"):
        which.add_argument(f"--{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--depth", type=int, default=Limits.depth, help="requests of a model that wait or run")
    parser.add_argument("--cached", type=int, default=Limits.cached, help="answers of a model that are kept")
    parser.add_argument("--threads", type=int, default=Limits.threads, help="that compute one batch of a transformer")
    parser.add_argument("--body-seconds", type=float, default=Limits.body_seconds, help="in which a body must come")
    log = parser.add_argument_group("the prediction log")
    log.add_argument("--spool", help="its folder; without one nothing is logged")
    log.add_argument("--log", choices=("best-effort", "durable"), default="best-effort",
                     help="durable: what cannot be logged is refused with 429")  # fmt: skip
    log.add_argument("--log-drop", action="append", default=[], choices=FIELDS, help="left out of the log; repeat it")
    log.add_argument("--log-hash", action="append", default=[], choices=HASHABLE,
                     help="written as an HMAC with the key PRESSRUN_LOG_KEY; repeat it")  # fmt: skip
    log.add_argument("--server-id", help="the source of the log's rows")
    log.add_argument("--log-format", choices=("text", "json"), default="text", help="of what the process itself tells")
    rollout = parser.add_argument_group("its place in a rollout")
    rollout.add_argument("--arm", default="champion")
    rollout.add_argument("--generation", type=int, default=0)
    rollout.add_argument("--controller", help="who says what to shadow")
    rollout.add_argument("--parent", type=int, help="the process to die with")
    return parser


def _privacy(given: dict[str, Any]) -> Privacy:
    drop, hashed = frozenset(given.pop("log_drop")), frozenset(given.pop("log_hash"))
    return Privacy(drop=drop, hashed=hashed, key=os.environ.get("PRESSRUN_LOG_KEY", "").encode())


if __name__ == "__main__":
    main()
