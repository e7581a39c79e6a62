"""What needs the extra `deep`: `make test-deep` runs it in an environment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from pressrun.config.families import TransformerFamily
from pressrun.training.corpus import Corpus, read_corpus
from pressrun.training.reading import TrainingSet

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
TOPICS = ("Sports", "Business", "Science")
WORDS = (
    "coach team match goal season league player striker stadium injury cup win",
    "shares profit market bank investors earnings merger revenue dollar oil prices trade",
    "telescope galaxy protein vaccine climate quantum rocket orbit cells fossil genome laser",
)
ROWS = 240


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("deep")


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers by chance, with a tokenizer that knows these words."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate([*special, *" ".join(WORDS).split()])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Articles of three topics, in which words of others stand as well."""
    generator = np.random.default_rng(1)
    texts = []
    for row in range(ROWS):
        own, others = WORDS[row % 3].split(), " ".join(WORDS).split()
        words = [*generator.choice(own, generator.integers(2, 5)), *generator.choice(others, 4)]
        texts.append(f"{' '.join(words[:2])}\n{' '.join(words[2:])}")
    return read_corpus(texts)


@pytest.fixture(scope="session")
def given(corpus: Corpus) -> TrainingSet:
    """Every article with its topic; the later ones are held out first."""
    return TrainingSet(
        corpus=corpus,
        targets=np.arange(ROWS, dtype=np.int64) % 3,
        weights=np.ones(ROWS),
        allowed=np.ones(ROWS, dtype=bool),
        order=np.arange(ROWS, dtype=np.float64),
        topics=TOPICS,
        seed=7,
    )


@pytest.fixture
def spec(tiny: Path) -> TransformerFamily:
    return TransformerFamily.model_validate(
        {
            "family": "transformer",
            "model": str(tiny),
            "max_tokens": 16,
            "epochs": 4,
            "batch": 16,
            "learning_rate": 3e-3,
            "evaluate_every": 5,
            "validation": 0.2,
            "patience": 100,
        }
    )
