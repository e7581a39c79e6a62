"""Labels by any model that pydantic-ai reaches, its answer restricted to the taxonomy, its money reserved first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, cast

from pydantic import BaseModel, Field, create_model
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.models import Model
from pydantic_ai.usage import RunUsage

from pressrun.jobs import BudgetExceededError, Reservation
from pressrun.labeling.llm_options import LlmOptions, Purse
from pressrun.labeling.prompt import Prompt, quoted
from pressrun.labeling.types import Answer, Article, Usage

log = logging.getLogger(__name__)
ABSTAIN = "abstain"
MAX_FAILURES = 3
OUTPUTS: dict[str, Any] = {"tool": ToolOutput, "native": NativeOutput, "prompted": PromptedOutput}


class LlmLabeler:
    """`make_model` is called in the thread that runs the calls: HTTP clients belong to one event loop.

    Every answer goes to `keep` before anything else happens, so that what was paid for survives a crash. When the
    budget ends or the service cannot be reached, the articles left have no answer and go to the next labeler.
    """

    def __init__(
        self,
        *,
        name: str,
        make_model: Callable[[], Model | str],
        prompt: Prompt,
        topics: Sequence[str],
        purse: Purse,
        options: LlmOptions,
        keep: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        self.name = name
        self._make_model = make_model
        self._prompt = prompt
        self._output = topic_choice(topics)
        self._purse = purse
        self._options = options
        self._keep = keep
        self._stopped: str | None = None
        self._failures = 0

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        # A thread of its own: the caller may already be inside an event loop (a notebook, a trigger).
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._all(articles)).result()

    async def _all(self, articles: Sequence[Article]) -> list[Answer]:
        agent = self._agent()
        gate = asyncio.Semaphore(self._options.concurrency)
        answers = await asyncio.gather(*(self._one(agent, gate, article) for article in articles))
        if self._stopped:
            log.warning("%s stopped early; the articles left go to the next labeler: %s", self.name, self._stopped)
        return [answer for answer in answers if answer]

    def _agent(self) -> Agent[object, BaseModel]:
        form = OUTPUTS[self._options.output](self._output)
        settings = {
            "temperature": 0.0,
            "max_tokens": self._options.max_output_tokens,
            "timeout": self._options.timeout_seconds,
        }
        made = Agent(
            self._make_model(),
            output_type=form,
            instructions=self._prompt.instructions,
            retries=self._options.retries,
            model_settings=cast(Any, settings),
        )
        return cast("Agent[object, BaseModel]", made)

    async def _one(self, agent: Agent[object, BaseModel], gate: asyncio.Semaphore, article: Article) -> Answer | None:
        async with gate:
            reservation = None if self._stopped else await self._reserve(article)
            if reservation is None:
                return None
            answer = await self._call(agent, article, reservation)
            if answer:
                self._keep(answer)
                await asyncio.to_thread(self._purse.budgets.settle, reservation, usd=answer.cost_usd or 0.0)
            return answer

    async def _reserve(self, article: Article) -> Reservation | None:
        # A token is at least two bytes in practice; every retry sends it all again.
        size = len((self._prompt.instructions + quoted(article)).encode()) // 2 + 500
        tries = self._options.retries + 1
        output = self._options.max_output_tokens * tries
        usd = self._purse.price.cost(input_tokens=size * tries + output * tries, output_tokens=output)
        try:
            return await asyncio.to_thread(
                self._purse.budgets.reserve, budget=self._purse.budget, usd=usd or 0.0, limit_usd=self._purse.limit_usd
            )
        except BudgetExceededError as error:
            self._stopped = str(error)
            return None

    async def _call(self, agent: Agent[object, BaseModel], article: Article, held: Reservation) -> Answer | None:
        usage = RunUsage()
        try:
            run = await agent.run(quoted(article), usage=usage)
        except UnexpectedModelBehavior as error:
            reason = f"no topic of the taxonomy after {self._options.retries + 1} tries: {str(error)[:200]}"
            return self._paid(Answer(article_id=article.article_id, rejected=reason), usage)
        except ModelHTTPError as error:
            await asyncio.to_thread(self._purse.budgets.settle, held, usd=self._cost(usage) or 0.0)
            self._failed(f"HTTP {error.status_code} from {error.model_name}")
            return None
        except (ModelAPIError, TimeoutError) as error:
            # Nobody knows whether the call was billed: the reservation stays counted.
            self._failed(f"{type(error).__name__}: {str(error)[:200]}")
            return None
        self._failures = 0
        return self._paid(answer_of(article.article_id, run.output), usage)

    def _failed(self, reason: str) -> None:
        # The client has already tried each call three times: so many in a row are no hiccup.
        self._failures += 1
        log.warning("%s: %s", self.name, reason)
        if self._failures >= MAX_FAILURES:
            self._stopped = reason

    def _paid(self, answer: Answer, usage: RunUsage) -> Answer:
        provider, _, model = self.name.removeprefix("llm:").rpartition("@")[0].partition(":")
        spent = Usage(
            provider=provider,
            model=model,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cache_read_tokens,
            output_tokens=usage.output_tokens,
        )
        return answer.model_copy(update={"cost_usd": self._cost(usage), "usage": spent})

    def _cost(self, usage: RunUsage) -> float | None:
        return self._purse.price.cost(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


def topic_choice(topics: Sequence[str]) -> type[BaseModel]:
    """The form of an answer: one of the topics or `abstain`, and how sure."""
    choice = Literal[(*topics, ABSTAIN)]  # type: ignore[valid-type]
    sure = Field(ge=0, le=1, allow_inf_nan=False, description="how sure you are that the topic is right")
    return create_model("TopicChoice", topic=(choice, ...), confidence=(float, sure))


def answer_of(article_id: str, output: BaseModel) -> Answer:
    """A TopicChoice as an answer."""
    chosen = output.model_dump()
    if chosen["topic"] == ABSTAIN:
        return Answer(article_id=article_id, abstained=True)
    topic = chosen["topic"]
    return Answer(article_id=article_id, labels=(topic,), probabilities={topic: chosen["confidence"]})
