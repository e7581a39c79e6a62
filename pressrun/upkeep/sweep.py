"""What has come in of erased readers since: their rows in new files, and what only those files tell to be theirs."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pressrun.config.environment import Environment
from pressrun.ingest.readers import pseudonyms
from pressrun.lake.erased import TABLE, block_list, reader_tables
from pressrun.lake.erasure import Went, block, erase_rows, fence
from pressrun.lake.lake import Lake
from pressrun.lake.tables import SCHEMAS
from pressrun.upkeep.mirroring import copies
from pressrun.upkeep.places import look_through, places
from pressrun.upkeep.scrub import Scrub


def sweep(environment: Environment, lake: Lake, *, change: bool) -> int:
    """How many rows that lead to erased readers lay outside the lake, or had got into it unknown for theirs.

    A landed file may tell that an impression was an erased reader's which nobody knew of; what was predicted for it
    may be in the lake by then. With `change` they are gone. Nothing is looked through while nobody was ever erased.
    """
    blocked = block_list(lake.location(TABLE)).blocked
    if not blocked:
        return 0
    scrub = Scrub(wanted=blocked, pseudonym=pseudonyms(environment.home))
    found = list(look_through(places(environment, now=time.time()), scrub, change=False))
    if not change:
        return sum(one.rows for one in found)
    # What leads to them is blocked and gone everywhere before the file goes that alone tells of it.
    went = [one for place in (lake, *copies(environment)) for one in _from_lake(place, scrub)] if scrub.found else []
    rows = sum(one.rows for one in look_through(places(environment, now=time.time()), scrub, change=True))
    return rows + sum(one.rows for one in went if not one.old)


def _from_lake(lake: Lake, scrub: Scrub) -> list[Went]:
    block(lake, "", scrub.found, erasure_id=f"sweep-{datetime.now(UTC):%Y%m%d}")
    went: list[Went] = []
    wanted = block_list(lake.location(TABLE)).blocked
    for table in reader_tables():
        location = lake.location(table)
        if location.open() is not None:
            fence(location, lake)
            erase_rows(location, wanted, SCHEMAS[table], tell=went.append)
    return went
