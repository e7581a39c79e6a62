"""Readers by pseudonym: the same reader is the same pseudonym, and nobody without the key tells who it is."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

KEY_VARIABLE = "PRESSRUN_READER_KEY"


def pseudonyms(home: Path) -> Callable[[str], str]:
    """Reader id → 32 hex digits, HMAC-SHA256 by the key of PRESSRUN_READER_KEY, else of <home>/reader.key.

    That file is made when it is missing, readable by its owner alone. Another key makes other pseudonyms.
    """
    key = (os.environ.get(KEY_VARIABLE) or _kept_key(home)).encode()
    return lambda reader: hmac.new(key, reader.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def _kept_key(home: Path) -> str:
    file = home / "reader.key"
    if not file.exists():
        _make(file)
    return file.read_text(encoding="ascii").strip()


def _make(file: Path) -> None:
    """A whole key appears at once, and of two processes that make one the first wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    own = file.with_name(f".reader.key.{secrets.token_hex(8)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(secrets.token_hex(32))
    try:
        os.link(own, file)
    except FileExistsError:
        pass
    finally:
        own.unlink()
