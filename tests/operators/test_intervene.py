"""A person who steps in from Airflow's UI says what and why, and the task says which of them is missing."""

from __future__ import annotations

import pytest
from fakes import context

from operators.errors import NotUsable
from operators.intervene import InterveneOperator


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_a_blank_reason_is_refused_before_anything_else(reason: str) -> None:
    task = InterveneOperator(task_id="intervene", pipeline="none such", wish="pause", reason=reason)
    with pytest.raises(NotUsable, match="the reason is blank: say why"):
        task.execute(context("intervene"))  # type: ignore[arg-type]


def test_a_wish_that_is_none_is_named_with_those_that_are() -> None:
    task = InterveneOperator(task_id="intervene", pipeline="none such", wish="stop", reason="why")
    with pytest.raises(NotUsable, match=r"'stop'.*pause, resume"):
        task.execute(context("intervene"))  # type: ignore[arg-type]
