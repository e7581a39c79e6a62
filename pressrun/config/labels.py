"""Labels and tags of what costs money: a key that every cloud takes. Values are made to fit each cloud's rules."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

# What Kubernetes takes as a key, a letter first as Google Cloud wants it; AWS takes all of these.
_KEY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(
            "no cloud takes its key for a label: that is letters, digits and - _ . inside, a letter first, 63 at most, "
            "as cost-center or news.example/desk"
        )
    return key


Labels: TypeAlias = dict[Annotated[str, AfterValidator(_key)], str]
