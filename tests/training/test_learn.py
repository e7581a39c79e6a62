import numpy as np
import pytest
from scipy import sparse

from pressrun.config.taxonomy import Taxonomy, Topic
from pressrun.training.conformance import assert_family
from pressrun.training.corpus import Corpus, read_corpus
from pressrun.training.errors import TrainingError
from pressrun.training.examples import newest_labels
from pressrun.training.families import BoostedTrees, Svm, family, tuned
from pressrun.training.learn import Labels, learn
from pressrun.training.teacher import UNKNOWN

WORDS = {
    "Sports": "coach team match goal season league player striker stadium injury cup win".split(),  # noqa: SIM905
    "Business": "shares profit market bank investors earnings merger revenue dollar oil prices trade".split(),  # noqa: SIM905
}
TAXONOMY = Taxonomy(
    name="two",
    version="1",
    topics=tuple(Topic(name=name, seeds=(" ".join(words[:3]),)) for name, words in WORDS.items()),
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    generator = np.random.default_rng(1)
    return read_corpus([" ".join(generator.choice(list(WORDS.values())[row % 2], 6)) for row in range(120)])


def labels(known: int, held: int = 0) -> Labels:
    people = np.full(120, UNKNOWN, dtype=np.int64)
    people[:known] = np.arange(known) % 2
    return Labels(people=people, machine=np.full((120, 2), np.nan), held_out=np.arange(120) < held)


def test_seeds_alone_make_a_model(corpus: Corpus) -> None:
    learned = learn(corpus, labels(0), taxonomy=TAXONOMY, families=[family("svm")])
    assert (learned.scores(corpus.features).argmax(axis=1) == np.arange(120) % 2).mean() > 0.95


def test_people_decide_and_the_same_seed_gives_the_same_model(corpus: Corpus) -> None:
    one, two = (learn(corpus, labels(80, held=40), taxonomy=TAXONOMY, families=[family("svm")]) for _ in range(2))
    assert one.chosen_on == "40 held-out labels by people"
    assert np.array_equal(one.scores(corpus.features), two.scores(corpus.features))
    assert one.family_scores["svm"] > 0.95


def test_a_topic_with_a_single_example_does_not_break_the_choice_of_c() -> None:
    features = sparse.csr_matrix(np.random.default_rng(1).normal(size=(80, 4)))
    targets = np.array([0] * 79 + [1])
    ready = tuned(Svm(), features=features, targets=targets, weights=np.ones(80), seed=3)
    assert isinstance(ready, Svm)
    assert ready.c is not None


def test_one_topic_alone_makes_no_model(corpus: Corpus) -> None:
    only = Labels(people=np.zeros(120, dtype=np.int64), machine=np.full((120, 2), np.nan), held_out=np.zeros(120, bool))
    with pytest.raises(TrainingError, match="Only 1 topic"):
        learn(corpus, only, taxonomy=TAXONOMY, families=[family("svm")], self_training=False)


@pytest.mark.parametrize(("built_in", "options"), [(Svm, {}), (BoostedTrees, {"rounds": 10})])
def test_built_in_families_keep_the_protocol(built_in: type[Svm | BoostedTrees], options: dict[str, int]) -> None:
    assert_family(built_in, options=options)


def row(labeler: str, label: str, at: int, **more: object) -> dict[str, object]:
    usual = {"article_id": "a", "role": "train", "abstained": False, "taxonomy_version": "1"}
    return {**usual, "labeler": labeler, "labels": [label], "labeled_at": at, **more}


def test_the_newest_label_wins_and_a_person_beats_a_machine() -> None:
    machine, old, new = row("static:x", "Sports", 9), row("person:1", "Sports", 1), row("person:2", "Business", 2)
    assert newest_labels([new, machine, old], TAXONOMY) == {"a": new}


def test_labels_of_another_version_or_role_are_not_trained_on() -> None:
    roles = ({"role": "audit"}, {"role": "gold"})
    changes = (*roles, {"taxonomy_version": "0"}, {"abstained": True}, {"labels": ["Rain"]})
    assert newest_labels([row("person:1", "Sports", 1, **change) for change in changes], TAXONOMY) == {}
