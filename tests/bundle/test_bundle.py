import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pressrun.bundle import Bundle, BundleError, load_bundle, write_bundle
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.mlflow_flavor import _load_pyfunc
from pressrun.bundle.models import Linear
from pressrun.bundle.preprocessing import DeclaredStep
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.write import stored

Write = Callable[..., Bundle]


def change(folder: Path, **changes: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_it_scores_texts_as_probabilities(write: Write) -> None:
    scores = write().scores(["a goal", "shares fell", ""])
    assert np.allclose(scores.sum(axis=1), 1)
    assert scores.argmax(axis=1).tolist()[:2] == [0, 1]
    assert scores[2].tolist() == [0.5, 0.5]


def test_the_same_parts_have_the_same_digest(write: Write) -> None:
    assert write("one").digest == write("two").digest
    assert write("three", slope=3.0).digest != write("four").digest


def test_it_loads_only_the_digest_asked_for(write: Write, tmp_path: Path) -> None:
    assert load_bundle(tmp_path / "bundle", digest=write().digest).name == "topics"
    with pytest.raises(BundleError, match="not 0000"):
        load_bundle(tmp_path / "bundle", digest="0" * 64)


def test_a_changed_file_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    weights = tmp_path / "bundle" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BundleError, match="was changed"):
        load_bundle(tmp_path / "bundle")


def test_a_file_grown_beyond_its_size_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    with (tmp_path / "bundle" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match="larger than"):
        load_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("slope", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e7, "steep"])
def test_a_slope_that_calibrates_nothing_is_refused_by_its_name(write: Write, tmp_path: Path, slope: Any) -> None:
    with pytest.raises(BundleError, match=r"^no bundle can hold this model: slope: .* (than|number)") as told:
        write(slope=slope)
    assert f"given was {slope!r}" in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (Tfidf(vocabulary={"goal": 0}, idf=np.ones(1), ngram_range=(0, 2)), r"ngrams\.0"),
        (HashedNgrams(columns=0), "columns"),
    ],
)
def test_a_step_that_none_can_hold_is_refused_by_the_name_of_what_is_wrong(
    step: DeclaredStep, named: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=named):
        stored(step)
    with pytest.raises(BundleError, match=named):
        write_bundle(tmp_path / "b", name="topics", labels=["a", "b"], steps=[step], model=too_wide(), slope=1.0)


def test_an_unknown_file_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "bundle" / "setup.py").write_text("")
    with pytest.raises(BundleError, match=r"setup\.py"):
        load_bundle(tmp_path / "bundle")


def test_a_link_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    weights = tmp_path / "bundle" / "model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="plain file"):
        load_bundle(tmp_path / "bundle")


def test_an_unknown_preprocessing_step_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    change(tmp_path / "bundle", preprocessing=[{"step": "run_python", "version": 1, "code": "print()"}])
    with pytest.raises(BundleError, match="run_python"):
        load_bundle(tmp_path / "bundle")


def test_a_newer_version_of_a_step_is_refused(write: Write, tmp_path: Path) -> None:
    steps = write().manifest.model_dump(mode="json")["preprocessing"]
    change(tmp_path / "bundle", preprocessing=[{**steps[0], "version": 2}])
    with pytest.raises(BundleError, match="version"):
        load_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hosts.txt", "model.pkl", "a/b.json"])
def test_a_path_out_of_the_folder_is_refused(write: Write, tmp_path: Path, name: str) -> None:
    files = write().manifest.model_dump(mode="json")["files"]
    change(tmp_path / "bundle", files={**files, name: {"sha256": "0" * 64, "size": 1}})
    with pytest.raises(BundleError, match="refused"):
        load_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "[" * 100_000, '{"format": NaN}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(BundleError):
        load_bundle(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(tmp_path / "none")


def test_features_sketch_a_text(write: Write) -> None:
    sketch = write().features("A goal\nshares and gold")
    assert sketch == {"tokens": 4, "title_characters": 6, "body_characters": 15, "unknown_share": 0.5}
    assert write("again").features("")["unknown_share"] == 0.0


def test_the_flavor_answers_a_frame(write: Write, tmp_path: Path) -> None:
    import pandas as pd

    write()
    frame = pd.DataFrame({"title": ["goal", None], "body": ["", "shares"]})
    answers = _load_pyfunc(str(tmp_path / "bundle")).predict(frame)
    assert list(answers.columns) == ["Sports", "Business"]
    assert answers.to_numpy().argmax(axis=1).tolist() == [0, 1]


def test_serving_needs_no_scikit_learn(write: Write, tmp_path: Path) -> None:
    write()
    program = (
        "import sys; from pressrun.bundle import load_bundle; load_bundle(sys.argv[1]).scores(['goal']);"
        "assert not {'sklearn', 'lightgbm', 'pandas', 'mlflow'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "bundle")], check=True, timeout=120)


def too_wide() -> Linear:
    """For more columns than the steps of the small model have."""
    return Linear(coefficients=np.ones((2, 3), dtype=np.float32), intercept=np.zeros(2, dtype=np.float32))


def test_what_was_refused_leaves_nothing_behind_and_may_be_written_again(write: Write, tmp_path: Path) -> None:
    steps = write("kept").steps
    for folder in ("new/below/bundle", "beside"):
        with pytest.raises(BundleError):
            write_bundle(tmp_path / folder, name="topics", labels=["a", "b"], steps=steps, model=too_wide(), slope=1.0)
    assert [place.name for place in tmp_path.iterdir()] == ["kept"]
    assert write("new/below/bundle").name == "topics"


def test_what_was_there_before_a_refusal_stays(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    steps = write("full").steps
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "empty", name="topics", labels=["a", "b"], steps=steps, model=too_wide(), slope=1.0)
    assert list((tmp_path / "empty").iterdir()) == []
    with pytest.raises(FileExistsError, match="not empty"):
        write("full")
    assert load_bundle(tmp_path / "full").name == "topics"
