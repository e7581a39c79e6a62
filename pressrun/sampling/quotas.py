"""How many rows each stratum gives: exactly as many as asked for, in proportion, and none left out."""

from __future__ import annotations

from collections.abc import Mapping


def quotas(sizes: Mapping[str, int], rows: int) -> dict[str, int]:
    """Proportional allocation by largest remainders (Hamilton), every stratum at least one row while `rows` allow.

    The quotas sum to `rows`, or to all there is. Ties go to the larger stratum, then by name.
    """
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, given {rows}")
    total = sum(sizes.values())
    if rows >= total:
        return dict(sizes)
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    if rows <= len(order):
        return {name: int(place < rows) for place, name in enumerate(order)}
    return _allocated({name: sizes[name] for name in order}, rows, total)


def _allocated(sizes: Mapping[str, int], rows: int, total: int) -> dict[str, int]:
    # One row a stratum first; the rest in proportion to what is left, which no quota can then exceed.
    left, remaining = rows - len(sizes), total - len(sizes)
    exact = {name: left * (size - 1) / remaining for name, size in sizes.items()}
    whole = {name: int(share) for name, share in exact.items()}
    over = sorted(sizes, key=lambda name: (whole[name] - exact[name], -sizes[name], name))
    more = set(over[: left - sum(whole.values())])
    return {name: 1 + whole[name] + (name in more) for name in sizes}
