"""What an LLM labeler is made with. Apart from the labeler, whose library takes seconds to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pressrun.jobs import Budgets
from pressrun.labeling.price import Price


class LlmOptions(BaseModel):
    """`options` of an llm labeler in the pipeline file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Literal["tool", "native", "prompted"] = Field(default="tool", description="how the model is held to a form")
    concurrency: int = Field(default=8, ge=1, le=64)
    timeout_seconds: float = Field(default=60, gt=0)
    retries: int = Field(default=2, ge=0, description="when the answer has the wrong form or an unknown topic")
    max_output_tokens: int = Field(default=200, gt=0)
    input_usd: float | None = Field(default=None, ge=0, description="a million tokens; by default from genai-prices")
    output_usd: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, kw_only=True)
class Purse:
    """Where the money comes from; `limit_usd` None: no limit, still recorded."""

    budgets: Budgets
    budget: str
    limit_usd: float | None
    price: Price
