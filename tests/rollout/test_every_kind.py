"""Whatever kind of model a bundle holds passes the same canary, with the real server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import write_bundle
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import DeclaredStep
from pressrun.bundle.transformer import Transformer
from pressrun.config.environment import Environment
from pressrun.registry import ModelRef
from pressrun.rollout import Phase, served, submit
from tests.bundle.made import booster, transformer
from tests.rollout.home import LABELS, POLICY, Home, plan_of, with_ports

pytestmark = pytest.mark.timeout(180)
COLUMNS = 6
# None of them has learned anything, so they agree on nothing: their answers are not compared.
STRANGERS = POLICY.model_copy(update={"shadow": 0.0, "min_requests": 150})


def written(folder: Path, version: str, model: Linear | Lightgbm | Transformer) -> ModelRef:
    steps: list[DeclaredStep] = [] if isinstance(model, Transformer) else [HashedNgrams(columns=COLUMNS)]
    place = folder / f"bundle{version}"
    slope = None if isinstance(model, Lightgbm) else 1.0
    made = write_bundle(place, name="topics", labels=LABELS, steps=steps, model=model, slope=slope)
    return ModelRef(name="topics", version=version, digest=made.digest, run_id=f"r{version}", bundle=str(place))


def test_a_linear_model_gives_way_to_trees_and_these_to_a_transformer(environment: Environment, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    linear = Linear(
        coefficients=rng.normal(size=(3, COLUMNS)).astype(np.float32), intercept=np.zeros(3, dtype=np.float32)
    )
    trees = Lightgbm(text=booster("multiclass").model_to_string())
    home = Home(with_ports(environment))
    home.supervise("whole")
    try:
        champion: ModelRef | None = None
        for number, model in enumerate((linear, trees, transformer(width=3, pooled=True)), 1):
            step = f"d/{number}/t/-1"
            candidate = written(tmp_path, str(number), model)
            submit(home.environment, plan_of(step, candidate, champion, STRANGERS))
            record = home.until(lambda r, step=step: r.outcomes and r.outcomes[-1].step_key == step)
            assert record.outcomes[-1].phase is Phase.PROMOTED, home.story()
            assert served(home.environment, "topics") == candidate
            if champion is None:
                home.read()
            else:
                assert record.outcomes[-1].traffic.lost == 0
            champion = candidate
        status, answer = home.get("/rollouts/topics")
        assert status == 200
        assert json.loads(answer)
        assert home.replayed.failed == 0
    finally:
        home.close()
