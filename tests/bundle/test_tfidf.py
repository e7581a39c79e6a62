import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from pressrun.bundle.tfidf import Tfidf

TEXTS = [
    "The U.S. team's 2-1 win, again and again",
    "Ärger über Öl: prices ROSE 3.5% a barrel",
    "naïve café — one_word two-words \u0130stanbul x",
    "",
    "the the team won; prices prices prices",
    "日本 の 記事 team\nprices",
]


def fitted(**options: object) -> tuple[TfidfVectorizer, Tfidf]:
    peer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **options).fit(TEXTS)
    return peer, Tfidf(vocabulary={g: int(c) for g, c in peer.vocabulary_.items()}, idf=peer.idf_)


def test_it_answers_as_scikit_learn() -> None:
    peer, ours = fitted()
    new = [*TEXTS, "unknown words only here", "Team prices: the team"]
    assert np.allclose(peer.transform(new).toarray(), ours.transform(new).toarray(), atol=1e-12)


def test_a_cut_vocabulary_answers_as_scikit_learn() -> None:
    peer, ours = fitted(max_features=5)
    assert np.allclose(peer.transform(TEXTS).toarray(), ours.transform(TEXTS).toarray(), atol=1e-12)


def test_no_texts_make_no_rows() -> None:
    _, ours = fitted()
    assert ours.transform([]).shape == (0, ours.dimensions)


def test_a_weight_of_nothing_makes_a_row_of_zeros_and_no_nan() -> None:
    rows = Tfidf(vocabulary={"goal": 0, "bank": 1}, idf=np.array([0.0, 1.0])).transform(["goal", "bank goal"])
    assert rows.toarray().tolist() == [[0.0, 0.0], [0.0, 1.0]]
