from __future__ import annotations

from multiprocessing import get_context
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from pressrun.jobs import BudgetExceededError, Budgets, open_database


def test_a_reservation_that_would_pass_the_budget_is_refused(engine: Engine) -> None:
    budgets, name = Budgets(engine), uuid4().hex
    held = budgets.reserve(budget=name, usd=0.7, limit_usd=1.0)
    with pytest.raises(BudgetExceededError, match="raise budget_usd"):
        budgets.reserve(budget=name, usd=0.4, limit_usd=1.0)
    budgets.settle(held, usd=0.25)
    assert budgets.spent(name) == pytest.approx(0.25)
    budgets.reserve(budget=name, usd=0.75, limit_usd=1.0)


def test_what_was_never_settled_stays_counted(engine: Engine) -> None:
    budgets, name = Budgets(engine), uuid4().hex
    budgets.reserve(budget=name, usd=0.3, limit_usd=None)
    assert budgets.spent(name) == pytest.approx(0.3)


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf")])
def test_an_amount_that_is_no_amount_is_refused(engine: Engine, usd: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Budgets(engine).reserve(budget=uuid4().hex, usd=usd, limit_usd=1)


def _reserve_until_refused(url: str, name: str) -> int:
    budgets = Budgets(open_database(url))
    for count in range(100):
        try:
            budgets.reserve(budget=name, usd=0.01, limit_usd=0.3)
        except BudgetExceededError:
            return count
    return 100


def test_two_processes_together_never_pass_the_budget(url: str) -> None:
    name = uuid4().hex
    with get_context("spawn").Pool(2) as pool:
        granted = pool.starmap(_reserve_until_refused, [(url, name)] * 2)
    assert sum(granted) == 30
    assert Budgets(open_database(url)).spent(name) == pytest.approx(0.3)
