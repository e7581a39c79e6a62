"""Which articles are audited: a random share, the same whoever asks and whenever."""

from __future__ import annotations

import hashlib


def audited(unit: str, *, pipeline: str, share: float) -> bool:
    """Whether `unit`, an article or its group of near-duplicates, falls into the audited share.

    By hash, so that an article is audited every night or never: its machine labels are then never trained on, and
    neither are those of its near-duplicates.
    """
    digest = hashlib.sha256(f"audit\0{pipeline}\0{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
