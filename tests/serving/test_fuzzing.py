"""The parsers meet bytes that a fuzzer chose, the API requests made of its own description."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.models import models_file
from tests.serving.running import REAL, running

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
REPOSITORY = Path(__file__).parents[2]
RUNS = os.environ.get("PRESSRUN_FUZZ_RUNS", "20000")
EXAMPLES = os.environ.get("PRESSRUN_FUZZ_EXAMPLES", "15")
SEEDS = [
    {
        "inputs": [{"name": "title", "datatype": "BYTES", "shape": [1], "data": ["a"]}],
        "parameters": {"article_id": "x"},
    },
    {"inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [1, 2.5]}], "id": 3},
    {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}}]},
    {"query": "q", "texts": ["a"]},
    {"columns": {"age": 1, "views": 2}},
]


def test_no_bytes_that_a_fuzzer_finds_break_the_parsers(tmp_path: Path) -> None:
    for number, seed in enumerate(SEEDS):
        for kind in range(3):
            text = json.dumps(seed).encode()
            # What the target takes from the end of its input are the numbers that choose.
            (tmp_path / f"seed-{number}-{kind}").write_bytes(text + b"\x01\x00\x00\x00" + bytes([len(text), kind]))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.serving.fuzz_target", str(tmp_path), f"-runs={RUNS}", "-max_len=600",
         "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={tmp_path}/found-"],
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert f"Done {RUNS} runs" in ended.stderr


def test_no_request_made_of_the_servers_own_description_makes_it_fail(tmp_path: Path) -> None:
    schemathesis = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert schemathesis, "run `make setup`"
    file, _ = models_file(tmp_path)
    with running(tmp_path, models=file, program=REAL) as server:
        ended = subprocess.run(
            [schemathesis, "run", f"{server.url}/openapi.json", "--checks",
             "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
             "--max-examples", EXAMPLES, "--seed", "1", "--request-timeout", "60"],
            cwd=tmp_path, check=False, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert server.process.poll() is None
        assert 'status="500"' not in server.ask("/metrics")[1]
