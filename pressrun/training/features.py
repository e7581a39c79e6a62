"""Features of the user's own: code that learns, at training time, one of the steps that a bundle can declare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pressrun.bundle import BundleError
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep
from pressrun.bundle.static_embeddings import StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.write import stored
from pressrun.config.pipeline import Own
from pressrun.config.uses import make_uses
from pressrun.training.errors import TrainingError


class Feature(Protocol):
    """Learns a step from the training texts. `uses` names a class, made as Name(**options).

    It runs while a model is trained and never again: what serves is the step, plain data in the bundle that the code
    of `pressrun.bundle` reads. So a feature is a choice of data for one of the declared steps, not a program:

    - `Tfidf`: a vocabulary of n-grams of one to three lower-case words, with a weight each. A gazetteer of teams, a
      list of markets weighted by hand, a vocabulary chosen by another statistic.
    - `HashedNgrams`: another number of columns, or runs of other lengths.
    - `CenteredEmbeddings` over `StaticEmbeddings`: a table of token vectors with its tokenizer, as a word2vec, GloVe or
      distilled table exported from elsewhere; a center and a scale.

    What is neither (another model's answers, a call to a service, the hour of the day) cannot be a feature: a bundle
    has no step for it, and none that could run it. A new kind of step belongs into `pressrun.bundle`, with its version.
    `pressrun.training.conformance.assert_feature` tests one.
    """

    def fit(self, texts: Sequence[str]) -> DeclaredStep:
        """The step learned from `texts`, title and body of each article; the same for the same texts.

        Labels play no part. An instance of a subclass is refused: its code would not be in the bundle.
        """
        ...


def fit_feature(spec: Own, texts: Sequence[str]) -> DeclaredStep:
    """The step of the user's own feature, as the bundle will hold it.

    Raises ConfigError (it cannot be made) and TrainingError (what it gives is no step that a bundle can hold).
    """
    return declared(make_uses(spec.uses, Feature, spec.options).fit(texts), spec.uses)


def declared(step: object, name: str) -> DeclaredStep:
    """The step in the digits that a bundle keeps. Raises TrainingError for what is none."""
    inner = step.embeddings if isinstance(step, CenteredEmbeddings) else None
    foreign = inner is not None and type(inner) is not StaticEmbeddings
    if type(step) not in (Tfidf, HashedNgrams, CenteredEmbeddings) or foreign:
        kind = type(inner if type(step) is CenteredEmbeddings else step).__name__
        raise TrainingError(
            f"The feature {name} must give a Tfidf, HashedNgrams, or CenteredEmbeddings over StaticEmbeddings, of "
            f"pressrun.bundle and no subclass; it gave {kind}. A model holds data alone: no other step is served."
        )
    assert isinstance(step, DeclaredStep)
    try:
        return stored(step)
    except (BundleError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"The feature {name} gave a step that no bundle can hold: {error}") from error
