"""What a worker finds is in the task's log; what stands in the way is its last line."""

from __future__ import annotations

from typing import Any

import pytest

from operators.doctor import DoctorOperator
from operators.errors import NotUsable
from pressrun.config.environment import Environment


@pytest.fixture
def examined(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(**changed: Any) -> Any:
        place = environment.model_copy(update=changed)
        monkeypatch.setattr("pressrun.config.load.load_environment", lambda name: place)
        return DoctorOperator(task_id="examine").execute({})

    return run


def test_what_is_well_is_handed_on_area_by_area(examined: Any) -> None:
    states = {one["area"]: one["state"] for one in examined()}
    assert states["lake"] == states["database"] == "good"
    assert states["kubernetes"] == "skipped"


def test_what_stands_in_the_way_fails_the_task_with_its_remedy(examined: Any) -> None:
    with pytest.raises(NotUsable, match=r"database, database: .*PRESSRUN_DATABASE"):
        examined(database="postgresql://127.0.0.1:9/news")
