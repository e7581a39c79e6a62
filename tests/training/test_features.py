"""Features of one's own: code while a model is trained, data afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import load_bundle, write_bundle
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.preprocessing import CenteredEmbeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.config.pipeline import Own
from pressrun.config.problems import ConfigError
from pressrun.config.taxonomy import Taxonomy, Topic
from pressrun.training.corpus import Corpus, read_corpus
from pressrun.training.errors import TrainingError
from pressrun.training.families import family
from pressrun.training.learn import Labels, Learned, learn
from pressrun.training.stage import check_parity
from tests.bundle.test_steps import table

MODULE = """
import numpy as np
from pressrun.bundle.tfidf import Tfidf

class Gazetteer:
    def __init__(self, *, words):
        self.words = words
    def fit(self, texts):
        return Tfidf(vocabulary={word: k for k, word in enumerate(self.words)}, idf=np.full(len(self.words), 1 / 3))
"""
SPORTS, BUSINESS = "coach goal match league striker cup".split(), "shares profit bank revenue dollar trade".split()  # noqa: SIM905
TAXONOMY = Taxonomy(
    name="two", version="1", topics=(Topic(name="Sports", seeds=("goal",)), Topic(name="Business", seeds=("shares",)))
)


@pytest.fixture
def gazetteer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """A feature of a module that is there while it is trained, and only then."""
    (tmp_path / "newsdesk_words.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Own(uses="newsdesk_words:Gazetteer", options={"words": [*SPORTS, *BUSINESS]})


@pytest.fixture
def texts() -> list[str]:
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice((SPORTS, BUSINESS)[row % 2], 5)) for row in range(120)]


def learned_from(corpus: Corpus) -> Learned:
    people = np.arange(120) % 2
    known = Labels(people=people, machine=np.full((120, 2), np.nan), held_out=np.arange(120) < 40)
    return learn(corpus, known, taxonomy=TAXONOMY, families=[family("svm")])


@pytest.mark.parametrize("beside", [["tfidf"], ["static", "tfidf"], []])
def test_a_model_with_it_serves_where_its_code_is_not(
    gazetteer: Own, texts: list[str], tmp_path: Path, beside: list[str]
) -> None:
    corpus = read_corpus(texts, features=[*beside, gazetteer])
    learned = learned_from(corpus)
    folder = tmp_path / "bundle"
    bundle = write_bundle(
        folder, name="topics", labels=learned.topics, steps=corpus.steps, model=learned.model, slope=learned.slope
    )
    check_parity(bundle, corpus, learned)
    program = (
        "import sys; from pressrun.bundle import load_bundle; bundle = load_bundle(sys.argv[1]);"
        "assert bundle.scores(['coach goal match']).argmax() == 0; assert 'newsdesk_words' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, timeout=120)


def test_its_columns_stand_where_it_is_listed(gazetteer: Own, texts: list[str]) -> None:
    first, last = read_corpus(texts, features=[gazetteer, "tfidf"]), read_corpus(texts, features=["tfidf", gazetteer])
    words = len(SPORTS) + len(BUSINESS)
    assert (first.features[:, :words] != last.features[:, -words:]).nnz == 0
    assert [step.dimensions for step in first.steps] == [step.dimensions for step in reversed(last.steps)]


class TableOfOnesOwn:
    def fit(self, texts: Sequence[str]) -> CenteredEmbeddings:
        return table()


def test_a_table_is_trained_on_in_the_digits_that_the_bundle_keeps(texts: list[str], tmp_path: Path) -> None:
    corpus = read_corpus(texts, features=[Own(uses=f"{__name__}:TableOfOnesOwn")])
    learned = learned_from(corpus)
    bundle = write_bundle(
        tmp_path / "b", name="topics", labels=learned.topics, steps=corpus.steps, model=learned.model, slope=1.0
    )
    assert np.array_equal(load_bundle(tmp_path / "b").steps[0].transform(texts).toarray(), corpus.features.toarray())
    assert bundle.steps[0].transform(texts).shape == (120, 4)


@pytest.mark.parametrize("named", ["svm", "lightgbm"])
def test_hashed_words_are_learned_from_and_served_alike(texts: list[str], tmp_path: Path, named: str) -> None:
    corpus = read_corpus(texts, features=["hashed"])
    known = Labels(people=np.arange(120) % 2, machine=np.full((120, 2), np.nan), held_out=np.arange(120) < 40)
    learned = learn(corpus, known, taxonomy=TAXONOMY, families=[family(named)])
    assert learned.family_scores[named] > 0.9
    folder = tmp_path / "b"
    write_bundle(folder, name="topics", labels=learned.topics, steps=corpus.steps, model=learned.model, slope=1.5)
    bundle = load_bundle(folder)
    assert [type(step) for step in bundle.steps] == [HashedNgrams]
    check_parity(bundle, corpus, replace(learned, slope=1.5))
    assert bundle.scores(["coach goal of a word that nobody knew"]).argmax() == learned.topics.index("Sports")


class Program:
    def fit(self, texts: Sequence[str]) -> object:
        return lambda text: len(text)


class Gap:
    def fit(self, texts: Sequence[str]) -> Tfidf:
        return Tfidf(vocabulary={"goal": 3}, idf=np.ones(1))


@pytest.mark.parametrize(("name", "said"), [("Program", "it gave function"), ("Gap", "columns 0 to 0")])
def test_what_no_bundle_can_hold_makes_no_model(texts: list[str], name: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        read_corpus(texts, features=["tfidf", Own(uses=f"{__name__}:{name}")])


def test_a_feature_that_cannot_be_made_is_told(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="Program takes no words"):
        read_corpus(texts, features=[Own(uses=f"{__name__}:Program", options={"words": []})])
