import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import Bundle, BundleError, load_bundle, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.config.environment import Environment
from pressrun.registry import register
from pressrun.registry.tracking import open_run
from pressrun.serving.fetch import FetchError, fetch
from pressrun.serving.sources import UnknownSource
from tests.serving.buckets import bucket_of


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A small model in <tmp_path>/bundle."""
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    return write_bundle(
        tmp_path / "bundle", name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=2.0
    )


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "model"


def nothing_is_left_beside(to: Path) -> bool:
    return [entry.name for entry in to.parent.iterdir()] in ([], [to.name])


def test_a_bundle_comes_from_a_folder_and_is_not_fetched_twice(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    source = tmp_path / "bundle"
    assert fetch(str(source), digest=bundle.digest, to=to)
    assert load_bundle(to, digest=bundle.digest).labels == ("Sports", "Business")
    shutil.rmtree(source)
    assert not fetch(str(source), digest=bundle.digest, to=to), "the source is gone: nothing was asked of it"
    assert nothing_is_left_beside(to)


def test_a_damaged_bundle_on_the_volume_is_fetched_again(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    fetch(f"file://{tmp_path / 'bundle'}", digest=bundle.digest, to=to)
    (to / "model.safetensors").write_bytes(b"half")
    assert fetch(f"file://{tmp_path / 'bundle'}", digest=bundle.digest, to=to)
    load_bundle(to, digest=bundle.digest)


def test_what_a_killed_fetch_left_is_removed(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    (to.parent / ".fetching-half").mkdir(parents=True)
    fetch(str(tmp_path / "bundle"), digest=bundle.digest, to=to)
    assert nothing_is_left_beside(to)


@pytest.mark.slow
def test_a_registered_version_and_its_run_give_its_bundle(
    bundle: Bundle, to: Path, tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = open_run(environment, experiment="topics", step_key="night", tags={})
    register(
        environment, name="topics", step_key="night", run_id=run_id, bundle=tmp_path / "bundle", digest=bundle.digest
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", environment.mlflow.tracking_uri)
    for place, uri in enumerate(("models:/topics/1", f"runs:/{run_id}/model", f"runs:/{run_id}/model/data/bundle")):
        folder = to.with_name(f"model-{place}")
        assert fetch(uri, digest=bundle.digest, to=folder, attempts=1)
        load_bundle(folder, digest=bundle.digest)


def test_a_bundle_comes_from_s3_after_answers_that_fail(
    bundle: Bundle, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with bucket_of(tmp_path / "bundle", prefix="topics/3/data/bundle", answers=[503, 503]) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert fetch("s3://models/topics/3", digest=bundle.digest, to=to, sleep=lambda seconds: None)
    load_bundle(to, digest=bundle.digest)
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split("Error")[0] for line in said] == [
        f"try {n} of 6 of s3://models/topics/3: Client" for n in (1, 2)
    ]


def test_a_bundle_comes_from_google(bundle: Bundle, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket_of(tmp_path / "bundle", prefix="topics/3") as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "news")
        assert fetch("gs://models/topics/3", digest=bundle.digest, to=to, attempts=1)
    load_bundle(to, digest=bundle.digest)


def test_another_model_than_the_plans_is_refused_at_once(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=rf"{bundle.digest}, asked for was {'0' * 64}: .* submit a new plan"):
        fetch(str(tmp_path / "bundle"), digest="0" * 64, to=to)
    assert not to.exists()
    assert nothing_is_left_beside(to)


def test_the_model_that_was_there_stays_when_another_cannot_be_had(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    fetch(str(tmp_path / "bundle"), digest=bundle.digest, to=to)
    with pytest.raises(BundleError):
        fetch(str(tmp_path / "bundle"), digest="0" * 64, to=to)
    load_bundle(to, digest=bundle.digest)


def test_a_source_that_never_answers_is_an_error_with_address_digest_and_remedy(to: Path, tmp_path: Path) -> None:
    waited: list[float] = []
    with pytest.raises(
        FetchError, match=r"nowhere did not give the model aaaaaaaaaaaa in 3 tries.*MLFLOW_TRACKING_URI"
    ):
        fetch(str(tmp_path / "nowhere"), digest="a" * 64, to=to, attempts=3, sleep=waited.append)
    assert waited == [1.0, 2.0]


def test_an_address_of_no_known_kind_is_refused(to: Path) -> None:
    with pytest.raises(UnknownSource, match="ftp://models is no address of a bundle: give models:/"):
        fetch("ftp://models", digest="a" * 64, to=to)


def test_a_link_is_not_followed(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    weights = tmp_path / "bundle" / "model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="no plain file"):
        fetch(str(tmp_path / "bundle"), digest=bundle.digest, to=to)


def test_a_name_that_leads_out_of_the_folder_is_refused(
    bundle: Bundle, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hostile:
        def sizes(self) -> dict[str, int]:
            return {"bundle.json": 1, "../../escaped": 1}

        def get(self, name: str, to: Path) -> None:
            raise AssertionError("nothing is fetched")

    monkeypatch.setattr("pressrun.serving.fetch.source_of", lambda uri: Hostile())
    with pytest.raises(BundleError, match=r"names '../../escaped', no file of a bundle"):
        fetch("models:/topics/1", digest=bundle.digest, to=to)


def test_more_bytes_than_allowed_are_not_fetched(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="more than the 100 allowed"):
        fetch(str(tmp_path / "bundle"), digest=bundle.digest, to=to, most_bytes=100)
    assert nothing_is_left_beside(to)


def test_what_is_no_model_says_what_it_found(to: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"has neither bundle.json nor data/bundle/bundle.json.*There are readme.txt"):
        fetch(str(tmp_path / "notes"), digest="a" * 64, to=to)


def test_the_command_needs_neither_a_server_nor_mlflow_for_a_folder(bundle: Bundle, to: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['granian'] = sys.modules['mlflow'] = None\n"
        "from pressrun.serving.fetch import main; main()"
    )
    given = [str(tmp_path / "bundle"), "--digest", bundle.digest, "--to", str(to)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, *given], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{to} holds the model {bundle.digest[:12]}, after" in done.stderr
    again = subprocess.run(
        [sys.executable, "-c", code, given[0], "--digest", "0" * 64, "--to", str(to)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert (again.returncode, again.stderr.count("Traceback")) == (1, 0)
    assert "pressrun.serving.fetch: " in again.stderr
