"""One reader's data is nowhere any more, and the receipt says what went and not who it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pressrun.config.environment import LakeMirror
from pressrun.ingest.readers import pseudonyms
from pressrun.lake import Lake, rows_of
from pressrun.lake.errors import ErasedError
from pressrun.lake.mirror import mirror
from pressrun.serving.log import PredictionLog
from pressrun.upkeep.erasure import erase, would_erase
from pressrun.upkeep.maintenance import maintain
from pressrun.upkeep.receipt import Receipt
from tests.upkeep.site import ANN, BOB, Site, holds, prediction


@pytest.fixture
def clicked(site: Site) -> Site:
    """Ann was shown a1 and a2, Bob b1; what was predicted for them is in the lake, more is on its way."""
    site.land("n1.parquet", ("a1", ANN), ("a2", ANN), ("b1", BOB))
    site.ingest("n1")
    site.predict("server-1", "a1", "b1")
    site.ship()
    site.predict("server-2", "a2", "b1")
    site.land("n2.parquet", ("a3", ANN), ("b2", BOB))
    return site


def hers(site: Site) -> list[str]:
    pseudonym = pseudonyms(site.environment.home)
    return site.anywhere("a1", "a2", "a3", "a4", ANN, pseudonym(ANN))


def test_nothing_anywhere_leads_to_her_and_all_of_his_is_there(clicked: Site) -> None:
    assert hers(clicked)
    receipt = clicked.erase()
    assert hers(clicked) == []
    assert receipt.found
    assert receipt.complete
    assert {one.table: one.rows for one in receipt.tables} == {"interactions": 2, "predictions": 1}
    assert {one.kind: one.rows for one in receipt.files if "n2" in one.file or one.kind != "landing"} == {
        "landing": 1,
        "prediction log": 1,
    }
    clicked.ingest("n2")
    clicked.ship()
    shown = clicked.lake.read(clicked.lake.snapshot("interactions", pipeline="topics"))
    assert sorted(shown["impression_id"].to_pylist()) == ["b1", "b2"]
    answered = clicked.lake.read(clicked.lake.snapshot("predictions", pipeline="topics"))
    assert answered["impression_id"].to_pylist() == ["b1", "b1"]


def test_a_dry_run_says_how_much_there_is_and_changes_nothing(clicked: Site) -> None:
    before = hers(clicked)
    found = would_erase(clicked.environment, ANN)
    assert found == {"interactions": 2, "predictions": 1, "landing": 3, "prediction log": 1}
    assert hers(clicked) == before


def test_a_late_line_and_a_file_that_lands_again_do_not_bring_her_back(clicked: Site) -> None:
    clicked.erase()
    clicked.predict("server-3", "a1", "a3", "b2")
    clicked.land("n3.parquet", ("a4", ANN), ("a1", ANN), ("b3", BOB))
    clicked.ship()
    clicked.ingest("n3")
    (clicked.shown / "n3.parquet").unlink()
    assert hers(clicked) == []


def test_the_receipt_is_signed_kept_in_the_lake_and_does_not_name_her(clicked: Site) -> None:
    receipt, file = erase(clicked.environment, ANN, actor="dpo", reason="asked for it")
    written = Receipt.model_validate_json(file.read_text())
    assert written == receipt
    assert written.is_genuine()
    assert not written.model_copy(update={"actor": "somebody else"}).is_genuine()
    (row,) = clicked.lake.read(clicked.lake.snapshot("erasures", pipeline="*")).to_pylist()
    assert (row["actor"], row["reason"], row["digest"]) == ("dpo", "asked for it", receipt.digest)
    assert row["rows"] == receipt.rows
    pseudonym = pseudonyms(clicked.environment.home)(ANN)
    assert not {ANN, pseudonym} & set(file.read_text().split('"'))


def test_again_it_is_the_same_receipt(clicked: Site) -> None:
    first = clicked.erase()
    assert clicked.erase() == first


def test_a_reader_whom_nobody_knows_gets_a_receipt_that_says_so(clicked: Site) -> None:
    receipt = clicked.erase("nobody@example.org")
    assert (receipt.found, receipt.complete, receipt.rows) == (False, True, 0)
    assert clicked.erase("nobody@example.org") == receipt


def test_an_old_dataset_says_that_rows_of_it_were_erased(clicked: Site) -> None:
    old = clicked.lake.snapshot("interactions", pipeline="topics")
    clicked.erase()
    with pytest.raises(ErasedError, match="2 of them were erased"):
        clicked.lake.read(old)


def test_a_log_that_a_server_writes_to_is_named_and_ends_without_her(clicked: Site) -> None:
    log = PredictionLog(clicked.spool, server_id="server-9")
    log.write([prediction("a1"), prediction("b1")])
    receipt = clicked.erase()
    assert [one.problem for one in receipt.files if "server-9" in one.file] != [""]
    assert not receipt.complete
    log.close()
    clicked.ship()
    assert hers(clicked) == []
    assert clicked.erase().complete


def test_a_copy_of_the_lake_is_erased_from_too(clicked: Site, tmp_path: Path) -> None:
    shutil.copytree(clicked.lake.root, tmp_path / "copy")
    copy = Lake(str(tmp_path / "copy"))
    receipt, _ = erase(clicked.environment, ANN, actor="dpo", reason="asked", lakes=[copy])
    assert {one.lake for one in receipt.tables} == {clicked.lake.root, copy.root}
    assert not [f for f in Path(copy.root).rglob("part-*.parquet") if holds(f, ("a1", "a2"))]
    copy.append("predictions", rows_of("predictions", [{"request_id": "q", "model": "m", "impression_id": "a1"}]),
                pipeline="topics", source="late", sequence=1)  # fmt: skip
    assert not [f for f in Path(copy.root).rglob("part-*.parquet") if holds(f, ("a1",))]


def test_the_mirrors_that_the_environment_names_and_lakes_of_reruns_are_reached_by_themselves(
    clicked: Site, tmp_path: Path
) -> None:
    far, scratch = Lake(str(tmp_path / "far")), Lake(str(clicked.environment.home / "reruns" / "n1-ab" / "lake"))
    for copy in (far, scratch):
        mirror(clicked.lake, copy)
    mirrors = [LakeMirror(to=far.root)]
    clicked.environment = clicked.environment.model_copy(
        update={"lake": clicked.environment.lake.model_copy(update={"mirrors": mirrors})}
    )
    assert would_erase(clicked.environment, ANN)[f"interactions of {far.root}"] == 2
    assert {one.lake for one in clicked.erase().tables} == {clicked.lake.root, far.root, scratch.root}
    assert not [f for f in Path(far.root).rglob("part-*.parquet") if holds(f, ("a1", "a2"))]
    assert hers(clicked) == []
    clicked.predict("server-4", "a9", "b1")
    clicked.ship()
    mirror(clicked.lake, far)
    clicked.land("n4.parquet", ("a9", ANN))
    maintain(clicked.environment)
    assert not [f for f in Path(far.root).rglob("part-*.parquet") if holds(f, ("a9",))]


def test_a_mirror_that_is_the_lake_itself_is_a_mistake(clicked: Site) -> None:
    lake = clicked.environment.lake.model_copy(update={"mirrors": [LakeMirror(to=clicked.lake.root)]})
    with pytest.raises(ValueError, match="which is the lake"):
        erase(clicked.environment.model_copy(update={"lake": lake}), ANN, actor="dpo", reason="asked for it")


def test_two_at_once_and_a_server_that_ships_end_with_one_receipt_of_all(clicked: Site) -> None:
    with ThreadPoolExecutor(max_workers=3) as pool:
        erasing = [pool.submit(clicked.erase) for _ in range(2)]
        pool.submit(clicked.ship).result()
        one, other = (work.result() for work in erasing)
    assert one == other
    assert hers(clicked) == []
    assert len(clicked.lake.read(clicked.lake.snapshot("erasures", pipeline="*"))) == 1
    assert clicked.erase() == one


def test_what_a_new_file_tells_to_be_hers_is_taken_out_at_night(clicked: Site) -> None:
    clicked.erase()
    clicked.predict("server-4", "a9", "b1")
    clicked.ship()
    clicked.land("n4.parquet", ("a9", ANN), ("b4", BOB))
    assert maintain(clicked.environment, dry_run=True).swept == 1
    done = maintain(clicked.environment)
    assert done.swept == 2
    assert clicked.anywhere("a9", ANN) == []
    assert maintain(clicked.environment).swept == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from pressrun.config.environment import Environment
from pressrun.lake import delta, erasure
from pressrun.upkeep import erasure as whole, scrub
left = [int(sys.argv[2])]
def dying(function):
    def wrapper(*a, **k):
        if left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(*a, **k)
    return wrapper
delta.commit, delta.write_file = dying(delta.commit), dying(delta.write_file)
whole._append, whole._kept, whole.fence = dying(whole._append), dying(whole._kept), dying(whole.fence)
scrub._replace, whole.keep_receipt = dying(scrub._replace), dying(whole.keep_receipt)
environment = Environment.model_validate_json(Path(sys.argv[1]).read_text())
whole.erase(environment, "ann@example.org", actor="dpo", reason="asked for it")
"""


@pytest.mark.parametrize("step", [2, 6, 9, 12, 15])
def test_killed_anywhere_the_next_try_ends_it_with_a_receipt_of_all(clicked: Site, tmp_path: Path, step: int) -> None:
    described = tmp_path / "environment.json"
    described.write_text(clicked.environment.model_dump_json())
    command = [sys.executable, "-c", KILLED, str(described), str(step)]
    ended = subprocess.run(
        command, check=False, capture_output=True, env=dict(os.environ), cwd=Path(__file__).parents[2]
    )
    assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr.decode()
    receipt = clicked.erase()
    assert hers(clicked) == []
    assert {one.table: one.rows for one in receipt.tables} == {"interactions": 2, "predictions": 1}
    assert sum(one.rows for one in receipt.files) == 4
    assert len(clicked.lake.read(clicked.lake.snapshot("erasures", pipeline="*"))) == 1
