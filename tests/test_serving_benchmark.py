"""The benchmark of serving: what is kept of a run, and what is made of it. Its servers are not started here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import serving_load
import serving_page
from serving_results import Results, summary
from serving_servers import ALL

SETTINGS = {"seconds": 1.0}
OHA = {
    "summary": {"total": 2.0, "slowest": 0.03},
    "latencyPercentiles": {"p50": 0.001, "p99": 0.01, "p99.9": 0.02},
    "statusCodeDistribution": {"200": 90, "429": 3},
    "errorDistribution": {"aborted due to deadline": 5, "connection closed before message completed": 2},
}


def closed(peer: str, repeat: int, per_second: float, **other: Any) -> dict[str, Any]:
    about = {"point": "closed", "model": "gbdt", "peer": peer, "repeat": repeat, "clients": 64, "errors": 0}
    measured = {"p50": 1.0, "p99": 2.0, "p999": 3.0, "cpu_us": 50.0, "memory_mb": 80.0, "others": 0.0, "busy": 0.3}
    return {**about, **measured, "per_second": per_second, **other}


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Results(file, SETTINGS, fresh=False).add(**closed("mosec", 0, 100.0))
    assert Results(file, SETTINGS, fresh=False).find(peer="mosec", repeat=0, clients=64) is not None
    assert Results(file, SETTINGS, fresh=True).find(peer="mosec") is None


def test_figures_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Results(file, SETTINGS, fresh=False)
    with pytest.raises(SystemExit, match="--fresh"):
        Results(file, {"seconds": 8.0}, fresh=False)


def test_a_ratio_is_the_median_of_ratios_within_a_repeat() -> None:
    ours = [closed("pressrun", repeat, rate) for repeat, rate in enumerate((1000.0, 500.0, 900.0))]
    theirs = [closed("mosec", repeat, rate) for repeat, rate in enumerate((500.0, 100.0, 900.0))]
    assert summary([*ours, *theirs])["ratios"]["gbdt_c64_over_mosec"] == 2.0


def test_what_was_not_measured_has_no_ratio() -> None:
    assert set(summary([closed("pressrun", 0, 1000.0)])["ratios"].values()) == {None}


def test_only_right_answers_count_and_what_time_cut_off_is_no_error() -> None:
    seen = serving_load.seen(OHA, busy=0.4)
    assert (seen.answers, seen.per_second, seen.errors, seen.cut_off) == (90, 45.0, 5, 5)
    assert (seen.p50, seen.p99, seen.p999, seen.most) == (1.0, 10.0, 20.0, 30.0)


@pytest.mark.parametrize("peer", ALL)
@pytest.mark.parametrize(("kind", "input"), [("gbdt", "[0.5,-1.25]"), ("text", '"a \\"b\\""'), ("transformer", '"c"')])
def test_every_server_is_asked_in_json(peer: str, kind: str, input: str) -> None:
    assert json.dumps(json.loads(input)) in json.dumps(json.loads(ALL[peer].wires[kind].body(input)))


def test_the_page_has_a_place_for_every_table(tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "benchmarks" / "serving.md"
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "serving.md").write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    start = {"point": "start", "model": "gbdt", "peer": "mosec", "repeat": 0, "cold_start": 2.5, "memory_mb": 70.0}
    steady = closed("mosec", 0, 100.0, point="open", share=0.8, rate=100.0)
    records = [start, closed("mosec", 0, 100.0), steady]
    about = {"machine": "a machine", "date": "2026-01-01", "commit": "abc"}
    serving_page.write_page(tmp_path, records, summary(records), about=about, sizes=SETTINGS)
    assert "| 64 | mosec | 100 |" in (tmp_path / "benchmarks" / "serving.md").read_text(encoding="utf-8")
    assert (tmp_path / "pictures" / "serving.png").stat().st_size > 1000
