"""A student of a linear teacher, of a registered one, and what it learned from; none of it needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pressrun.bundle import Bundle, write_bundle
from pressrun.config.families import DistilledFamily, Registered
from pressrun.config.taxonomy import Taxonomy, Topic
from pressrun.training.corpus import Corpus, read_corpus
from pressrun.training.distilled import soft_rows
from pressrun.training.errors import TrainingError
from pressrun.training.families import AnyFamily, Logistic, Svm, families
from pressrun.training.learn import Labels, Learned, learn
from pressrun.training.reading import Workshop
from pressrun.training.teacher import UNKNOWN

WORDS = (
    "coach team match goal season league player striker stadium injury cup win",
    "shares profit market bank investors earnings merger revenue dollar oil prices trade",
)
TAXONOMY = Taxonomy(
    name="two",
    version="1",
    topics=tuple(
        Topic(name=name, seeds=(" ".join(words.split()[:3]),)) for name, words in zip("AB", WORDS, strict=True)
    ),
)
ROWS = 200


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    generator = np.random.default_rng(1)
    texts = []
    for row in range(ROWS):
        own, others = WORDS[row % 2].split(), " ".join(WORDS).split()
        texts.append(" ".join([*generator.choice(own, 5), *generator.choice(others, 2)]))
    return read_corpus(texts)


def labels(known: int = 80, held: int = 40) -> Labels:
    """`held` rows are held out; of those the loop knows `known` labels, all others have none."""
    people = np.full(ROWS, UNKNOWN, dtype=np.int64)
    people[:known] = np.arange(known) % 2
    machine = np.full((ROWS, 2), np.nan)
    return Labels(people=people, machine=machine, held_out=np.arange(ROWS) < held, order=np.arange(ROWS, dtype=float))


def distilled(**more: object) -> DistilledFamily:
    return DistilledFamily.model_validate({"family": "distilled", "teacher": "svm", **more})


def trained(corpus: Corpus, made: list[tuple[str, AnyFamily]]) -> Learned:
    return learn(corpus, labels(), taxonomy=TAXONOMY, families=made, self_training=False)


@pytest.mark.parametrize("student", ["linear", "lightgbm"])
def test_a_student_learns_from_articles_without_a_label_and_tells_what_it_cost(corpus: Corpus, student: str) -> None:
    [teacher, taught] = families(["svm", distilled(student=student)], Workshop())
    learned = trained(corpus, [taught])
    assert learned.family == "distilled"
    assert int((learned.examples.weights > 0).sum()) == ROWS
    answers = learned.scores(corpus.read(learned.model, np.arange(ROWS))).argmax(axis=1)
    assert (answers == np.arange(ROWS) % 2).mean() > 0.9
    assert teacher[0] == "svm"
    [note] = learned.notes
    assert note.startswith("distilled against its teacher svm, on 40 held-out articles: macro-F1 ")
    assert "times as fast" in note
    assert learned.measured["family_distilled_taught_articles"] == ROWS - 40
    assert {"family_distilled_macro_f1_difference", "family_distilled_speedup"} <= set(learned.measured)


@pytest.mark.parametrize(("max_loss", "kept"), [(1.0, "distilled"), (0.0, "svm")])
def test_a_student_takes_its_teachers_place_where_it_loses_little(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, max_loss: float, kept: str
) -> None:
    # A student that is a little worse than its teacher.
    fit = Logistic.fit

    def worse(self: Logistic, *, targets: np.ndarray, **given: object) -> object:
        wrong = np.arange(len(targets)) % 3 == 0
        return fit(self, targets=np.where(wrong, 0, targets), **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Logistic, "fit", worse)
    learned = trained(corpus, families(["svm", distilled(max_loss=max_loss)], Workshop()))
    assert learned.family_scores["distilled"] < learned.family_scores["svm"]
    assert learned.family == kept


def test_the_same_seed_gives_the_same_student(corpus: Corpus) -> None:
    one, two = (trained(corpus, families(["svm", distilled()], Workshop())).scores(corpus.features) for _ in range(2))
    assert np.array_equal(one, two)


def test_its_teacher_is_fitted_once(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    fits, fit = [], Svm.fit

    def counted(self: Svm, **given: object) -> object:
        fits.append(len(given["targets"]))  # type: ignore[arg-type]
        return fit(self, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Svm, "fit", counted)
    [_, taught] = families(["svm", distilled()], Workshop())
    trained(corpus, [taught])
    # The 40 known rows that are not held out, less those that calibrate it.
    assert fits == [36]


def test_a_registered_teacher_may_have_its_labels_in_another_order(corpus: Corpus, tmp_path: Path) -> None:
    bundle = registered(corpus, tmp_path, ["B", "A"])
    spec = distilled(teacher={"model": "older", "version": 3})
    opened: list[Registered] = []

    def opens(teacher: Registered) -> Bundle:
        opened.append(teacher)
        return bundle

    [taught] = families([spec], Workshop(registered=opens))
    assert opened == [Registered(model="older", version=3)]
    learned = trained(corpus, [taught])
    assert learned.notes[0].startswith("distilled against its teacher older version 3, on ")
    assert learned.family_scores["distilled"] > 0.9


def test_a_registered_teacher_of_other_topics_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    bundle = registered(corpus, tmp_path, ["A", "Rain"])
    [taught] = families([distilled(teacher={"model": "older", "version": 3})], Workshop(registered=lambda _: bundle))
    with pytest.raises(TrainingError, match=r"older version 3 cannot be a teacher: it tells A, Rain apart.* has A, B"):
        trained(corpus, [taught])


def registered(corpus: Corpus, folder: Path, topics: list[str]) -> Bundle:
    rows = np.arange(ROWS)
    model = Svm(c=0.2).fit(
        features=corpus.features,
        targets=rows % 2 if topics[0] == "A" else 1 - rows % 2,
        weights=np.ones(ROWS),
        classes=2,
        seed=1,
    )
    return write_bundle(folder / "b", name="older", labels=topics, steps=corpus.steps, model=model, slope=2.0)


def test_beliefs_become_rows_by_their_probabilities() -> None:
    places, targets, weights = soft_rows(np.array([[0.7, 0.29, 0.01], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert places.tolist() == [0, 0, 2]
    assert targets.tolist() == [0, 1, 1]
    assert weights == pytest.approx([0.7 / 0.99, 0.29 / 0.99, 1.0])
