import shutil
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import Bundle, BundleError, load_bundle, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.config.environment import Environment, Mlflow
from pressrun.registry import (
    ModelRef,
    RegistryError,
    UnknownModelError,
    aliased_digests,
    fetch,
    follow,
    project_aliases,
    register,
)
from pressrun.registry.tracking import connect, open_run
from tests.night import Night


def small_bundle(folder: Path, *, slope: float = 2.0) -> Bundle:
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    return write_bundle(folder, name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=slope)


def registered(environment: Environment, folder: Path, step_key: str) -> ModelRef:
    run_id = open_run(environment, experiment="topics", step_key=step_key, tags={})
    digest = load_bundle(folder).digest
    return register(environment, name="topics", step_key=step_key, run_id=run_id, bundle=folder, digest=digest)


def test_a_model_is_registered_once_a_step_and_comes_back_verified(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    first = registered(environment, tmp_path / "bundle", "dag/night 1/train/-1")
    assert registered(environment, tmp_path / "bundle", "dag/night 1/train/-1") == first
    second = registered(environment, tmp_path / "bundle", "dag/night 2/train/-1")
    assert (first.version, second.version) == ("1", "2")
    assert first.run_id != second.run_id

    kept = Path(first.bundle)
    kept.rename(tmp_path / "lost")
    back = fetch(environment, "topics", "1")
    assert back == first
    assert load_bundle(back.bundle).digest == bundle.digest

    project_aliases(environment, "topics", champion="1", candidate="2")
    project_aliases(environment, "topics", champion="2")
    assert connect(environment).get_registered_model("topics").aliases == {"champion": 2}

    import mlflow
    import pandas as pd

    # Set in MLflow itself it would hold for every later test of this process.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", environment.mlflow.tracking_uri)
    loaded = mlflow.pyfunc.load_model("models:/topics/1")
    assert loaded.predict(pd.DataFrame({"text": ["goal"]})).to_numpy().argmax() == 0

    (kept / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(BundleError):
        fetch(environment, "topics", "1")
    with pytest.raises(UnknownModelError, match="topics has no version 7"):
        fetch(environment, "topics", "7")


def test_a_server_that_is_away_is_named_at_once(environment: Environment) -> None:
    away = environment.model_copy(update={"mlflow": Mlflow(tracking_uri="http://user:secret@127.0.0.1:9/")})
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9.*does not answer.*Nothing was registered") as caught:
        connect(away)
    assert "secret" not in str(caught.value)


@pytest.fixture
def migrated(first_night: Night, environment: Environment) -> Environment:
    """An environment whose MLflow store is made already: MLflow's migrations take seconds."""
    shutil.copy(first_night.environment.home / "mlflow.db", environment.home / "mlflow.db")
    return environment


def aliases(environment: Environment, name: str) -> dict[str, str]:
    return {alias: str(version) for alias, version in connect(environment).get_registered_model(name).aliases.items()}


def made(environment: Environment, folder: Path, slopes: list[float]) -> list[ModelRef]:
    """A version of `aliased` for each slope; equal slopes are equal models."""
    versions = []
    for number, slope in enumerate(slopes):
        bundle = small_bundle(folder / str(number), slope=slope)
        key = f"d/{number}/train/-1"
        run_id = open_run(environment, experiment="aliased", step_key=key, tags={})
        versions.append(
            register(
                environment,
                name="aliased",
                step_key=key,
                run_id=run_id,
                bundle=folder / str(number),
                digest=bundle.digest,
            )
        )
    return versions


def test_the_newest_version_is_mlflows_candidate(migrated: Environment, tmp_path: Path) -> None:
    one, two = made(migrated, tmp_path, [1.0, 2.0])
    assert aliases(migrated, "aliased") == {"candidate": "2"}
    assert aliased_digests(migrated, "aliased") == {"candidate": two.digest}
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("slopes", "serves", "expected"),
    [
        ([1.0, 2.0], 1, {"champion": "1", "candidate": "2"}),
        ([1.0, 2.0], 2, {"champion": "2"}),
        ([1.0, 2.0, 1.0], 1, {"champion": "1"}),
    ],
)
def test_aliases_follow_what_is_served(
    slopes: list[float], serves: int, expected: dict[str, str], migrated: Environment, tmp_path: Path
) -> None:
    versions = made(migrated, tmp_path, slopes)
    connect(migrated).set_registered_model_alias("aliased", "champion", str(len(slopes)))
    connect(migrated).set_registered_model_alias("aliased", "favourite", "1")
    follow(migrated, versions[serves - 1])
    assert aliases(migrated, "aliased") == expected | {"favourite": "1"}
    assert follow(migrated, versions[serves - 1]) == ()


def test_moved_aliases_are_told(migrated: Environment, tmp_path: Path) -> None:
    _, two = made(migrated, tmp_path, [1.0, 2.0])
    assert follow(migrated, two) == ("champion none → v2", "candidate v2 → none")


def test_a_try_with_mended_code_gets_a_run_of_its_own(migrated: Environment) -> None:
    def run_of(digest: str) -> str:
        return open_run(migrated, experiment="e", step_key="d/it's night/train/-1", tags={"pressrun.digest": digest})

    assert run_of("a") == run_of("a") != run_of("b")
