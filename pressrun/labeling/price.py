"""What a call to a model costs: from the user's own figures, else from the public price list of genai-prices."""

from __future__ import annotations

from dataclasses import dataclass

from genai_prices import Usage as Tokens
from genai_prices import calc_price


@dataclass(frozen=True, kw_only=True)
class Price:
    """USD a million tokens. None: not known."""

    input_usd: float | None
    output_usd: float | None

    @property
    def known(self) -> bool:
        return self.input_usd is not None and self.output_usd is not None

    def cost(self, *, input_tokens: int, output_tokens: int) -> float | None:
        """USD; None when the price is not known. Cached input counts in full: never less than is billed."""
        if self.input_usd is None or self.output_usd is None:
            return None
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1e6


def find_price(model: str, *, given: tuple[float | None, float | None], local: bool) -> Price:
    """The user's figures; else, for a model that is not a server of their own, the public list's."""
    if given != (None, None) or local:
        return Price(input_usd=given[0], output_usd=given[1])
    provider, _, name = model.partition(":")
    return Price(
        input_usd=_listed(provider, name, Tokens(input_tokens=10_000)), output_usd=_listed_output(provider, name)
    )


def _listed(provider: str, name: str, tokens: Tokens) -> float | None:
    try:
        price = float(calc_price(tokens, name, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None
    return price * 1e6 / 10_000


def _listed_output(provider: str, name: str) -> float | None:
    return _listed(provider, name, Tokens(input_tokens=0, output_tokens=10_000))
