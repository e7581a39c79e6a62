import numpy as np

from pressrun.bundle.static_embeddings import MAX_CHARACTERS, embed


def test_rows_have_length_one() -> None:
    rows = embed(["Rockets reach orbit", "Shares fell on Wall Street"])
    assert rows.shape == (2, 256)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_nothing_embeds_to_zeros() -> None:
    assert not embed(["", "  \n "]).any()
    assert embed([]).shape == (0, 256)


def test_a_text_embeds_alike_alone_and_among_others() -> None:
    texts = ["The coach praised his players", "Oil prices rose", ""]
    assert np.allclose(embed(texts)[0], embed(texts[:1])[0], atol=1e-6)


def test_alike_texts_are_nearer() -> None:
    goal, match, stock = embed(["The striker scored a goal", "football match won", "stock market profits"])
    assert goal @ match > goal @ stock


def test_a_very_long_text_is_read_by_its_beginning() -> None:
    start = "football " * (MAX_CHARACTERS // 9 + 1)
    assert np.allclose(embed([start]), embed([start + "stocks " * 500_000]))
