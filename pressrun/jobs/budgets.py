"""Money: reserved before a call, settled after it, so that many processes together never pass a budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, insert, select, update

from pressrun.jobs.database import reading, writing
from pressrun.jobs.tables import RESERVATIONS

NANO = 1_000_000_000


class BudgetExceededError(Exception):
    """The reservation would pass the budget. A retry does not help before the budget is raised."""


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """`usd` set aside for one call."""

    reservation_id: str
    budget: str
    usd: float


class Budgets:
    """Budgets by name. What was reserved and never settled stays counted: the call may have been billed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(self, *, budget: str, usd: float, limit_usd: float | None) -> Reservation:
        """Sets `usd` aside. `limit_usd` None: no limit, only a record. Raises BudgetExceededError."""
        made = Reservation(reservation_id=uuid4().hex, budget=budget, usd=usd)
        with writing(self._engine, lock=budget) as connection:
            taken = _taken(connection, budget)
            if limit_usd is not None and taken + _nano(usd) > _nano(limit_usd):
                raise BudgetExceededError(
                    f"{budget}: {taken / NANO:.4f} USD of {limit_usd:.4f} are spent or reserved, {usd:.4f} more asked; "
                    "raise budget_usd to go on"
                )
            connection.execute(insert(RESERVATIONS).values(_row(made)))
        return made

    def settle(self, reservation: Reservation, *, usd: float) -> None:
        """Replaces what was reserved by what was paid; 0 for a call that was never billed."""
        chosen = RESERVATIONS.c.reservation_id == reservation.reservation_id
        with writing(self._engine, lock=reservation.budget) as connection:
            connection.execute(update(RESERVATIONS).where(chosen).values(nano_usd=_nano(usd), settled=True))

    def spent(self, budget: str) -> float:
        """USD paid or reserved."""
        with reading(self._engine) as connection:
            return _taken(connection, budget) / NANO


def _taken(connection: Connection, budget: str) -> int:
    total = select(func.coalesce(func.sum(RESERVATIONS.c.nano_usd), 0)).where(RESERVATIONS.c.budget == budget)
    return int(connection.execute(total).scalar_one())


def _nano(usd: float) -> int:
    if not 0 <= usd < 1e9:
        raise ValueError(f"an amount in USD is finite and not negative, given {usd}")
    return round(usd * NANO)


def _row(made: Reservation) -> dict[str, object]:
    return {
        "reservation_id": made.reservation_id,
        "budget": made.budget,
        "nano_usd": _nano(made.usd),
        "settled": False,
        "at": datetime.now(UTC),
    }
