"""`python -m pressrun.serving`: what the local supervisor and containers start, one process an arm."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pressrun.bundle.errors import BundleError
from pressrun.bundle.folder import read_folder
from pressrun.serving.hosting import Limits, WrongModel
from pressrun.serving.records import FIELDS, HASHABLE, Privacy
from pressrun.serving.server import AddressTaken, NoSuchHost, serve, serve_models
from pressrun.serving.swapping import ModelsFileError
from pressrun.serving.telling import set_up_logging

NO_VERSION = "0"
"""Of a bundle that no registry has numbered, here and in `pressrun serve`."""
# As in a models file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OF_ONE_BUNDLE = ("bundle", "model", "version", "digest", "arm", "generation", "controller")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, which a supervisor shows as the last words of a server."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    set_up_logging(given.pop("log_format"))
    by_file = given["models"] is not None
    try:
        place = {name: given.pop(name) for name in ("host", "port")}
        limits = Limits(**{name: given.pop(name) for name in ("depth", "cached", "threads", "body_seconds")})
        _refuse_unlogged(given)
        common = {"limits": limits, "durable": given.pop("log") == "durable", "privacy": _privacy(given)}
        _refuse_spool(given["spool"])
        (_serve_file if by_file else _serve_bundle)(given, place, common)
    except argparse.ArgumentError as error:
        parser.error(str(error))
    except (AddressTaken, NoSuchHost, BundleError, ModelsFileError, WrongModel) as error:
        parser.error(_blamed(error, by_file=by_file))


def _parser() -> Parser:
    parser = Parser(prog="pressrun.serving", description="Serves one model version, or a file's models.")
    which = parser.add_argument_group("what is served")
    which.add_argument("bundle", nargs="?", help="the folder of one model's bundle")
    which.add_argument("--models", help="a file that names models instead; it may change while they are served")
    which.add_argument("--model", type=_named(100), help="the name in paths and metrics; the bundle's own by itself")
    which.add_argument("--version", type=_named(100), help=f"of the model; {NO_VERSION} by itself")
    which.add_argument("--digest", help="what the bundle must be; any by itself")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_whole(1, 65535), required=True)
    parser.add_argument("--depth", type=_whole(1), default=Limits.depth, help="requests of a model that wait or run")
    parser.add_argument("--cached", type=_whole(0), default=Limits.cached, help="rows whose answers are kept")
    parser.add_argument(
        "--threads", type=_whole(1), default=Limits.threads, help="that compute one batch of a transformer"
    )
    parser.add_argument("--body-seconds", type=_seconds, default=Limits.body_seconds, help="in which a body must come")
    log = parser.add_argument_group("the prediction log")
    log.add_argument("--spool", help="its folder; without one nothing is logged")
    log.add_argument("--log", choices=("best-effort", "durable"), default="best-effort",
                     help="durable: what cannot be logged is refused with 429")  # fmt: skip
    log.add_argument("--log-drop", action="append", default=[], choices=FIELDS, help="left out of the log; repeat it")
    log.add_argument("--log-hash", action="append", default=[], choices=HASHABLE,
                     help="written as an HMAC with the key PRESSRUN_LOG_KEY; repeat it")  # fmt: skip
    log.add_argument(
        "--server-id",
        type=_named(200),
        help="what the source of the log's rows begins with; each start adds an end of its own",
    )
    log.add_argument("--log-format", choices=("text", "json"), default="text", help="of what the process itself tells")
    rollout = parser.add_argument_group("its place in a rollout")
    rollout.add_argument("--arm", help="champion (by itself), baseline or candidate")
    rollout.add_argument("--generation", type=int, help="of the rollout that started it; 0 by itself")
    rollout.add_argument("--controller", help="who says what to shadow")
    rollout.add_argument("--parent", type=int, help="the process to die with")
    return parser


def _named(most: int) -> Callable[[str], str]:
    """Names stand in paths, metrics, pages and the names of files."""

    def name(text: str) -> str:
        if not _NAME.fullmatch(text) or len(text) > most:
            raise argparse.ArgumentTypeError(
                f"{text[:100]!r} is no name: give 1 to {most} letters, digits, _, . and -, a letter or digit first"
            )
        return text

    return name


def _whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text[:100]!r} is no whole number from {least} to {most}")
        return int(text)

    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no number of seconds above 0")
    return seconds


def _refuse_unlogged(given: Mapping[str, Any]) -> None:
    """What says how to log says that somebody relies on a log."""
    asked = {
        "--log durable": given["log"] == "durable", "--log-drop": given["log_drop"], "--log-hash": given["log_hash"]
    }  # fmt: skip
    if not given["spool"] and (silent := [option for option, there in asked.items() if there]):
        raise _wrong("--spool", f"missing, so nothing is logged, for {', '.join(silent)}: add --spool FOLDER")


def _privacy(given: dict[str, Any]) -> Privacy:
    drop, hashed = frozenset(given.pop("log_drop")), frozenset(given.pop("log_hash"))
    try:
        return Privacy(drop=drop, hashed=hashed, key=os.environ.get("PRESSRUN_LOG_KEY", "").encode())
    except ValueError as error:
        raise _wrong("--log-hash", str(error)) from error


def _refuse_spool(spool: str | None) -> None:
    if spool is None:
        return
    if not spool:
        raise _wrong("--spool", "empty, so nothing would be logged; give a folder, or leave it out")
    try:
        Path(spool).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _wrong("--spool", f"{spool} is no folder: {error.strerror}; give one that may be written") from error


def _serve_bundle(given: dict[str, Any], place: dict[str, Any], common: dict[str, Any]) -> None:
    del given["models"]
    bundle = given.pop("bundle")
    if bundle is None:
        raise _wrong("bundle", "nothing to serve: give a bundle's folder (docs/bundles.md makes one), or --models FILE")
    if not Path(bundle).is_dir():
        raise _wrong("bundle", f"{bundle} is no folder: make a bundle there, or fetch one, as docs/bundles.md shows")
    given["model"] = given["model"] or read_folder(Path(bundle))[0].name
    for name, usual in (("version", NO_VERSION), ("arm", "champion"), ("generation", 0)):
        given[name] = usual if given[name] is None else given[name]
    serve(bundle, **place, **common, **given)


def _serve_file(given: dict[str, Any], place: dict[str, Any], common: dict[str, Any]) -> None:
    file, both = given.pop("models"), {name: given.pop(name) for name in ("spool", "server_id", "parent")}
    if silenced := [name if name == "bundle" else f"--{name}" for name in _OF_ONE_BUNDLE if given[name] is not None]:
        raise _wrong(
            "--models", f"not allowed with {', '.join(silenced)}: the file says what is served; give one or the other"
        )
    serve_models(file, **place, **common, **both)


def _wrong(option: str, reason: str) -> argparse.ArgumentError:
    return argparse.ArgumentError(None, f"argument {option}: {reason}")


def _blamed(error: Exception, *, by_file: bool) -> str:
    """The error with the option that it comes of and, where it says no remedy itself, where to read on."""
    match error:
        case AddressTaken():
            return f"argument --port: {error}"
        case NoSuchHost():
            return f"argument --host: {error}"
        case WrongModel():
            return f"argument {'--models' if by_file else '--digest'}: {error}"
        case BundleError():
            return (
                f"argument {'--models' if by_file else 'bundle'}: {error}; see docs/bundles.md, make or fetch it anew"
            )
        case _:
            return f"argument --models: {error}; docs/serving.md shows such a file"


if __name__ == "__main__":
    main()
