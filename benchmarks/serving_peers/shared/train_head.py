"""Trains the head on MiniLM's frozen embeddings, and keeps what torch answers."""

import json

import numpy as np
from benchmark_model import FOLDER, Encoder
from sklearn.linear_model import LogisticRegression

BATCH = 64


def in_batches(answer, texts: list[str]) -> np.ndarray:
    """(n, d), by length: padding is short then."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    parts = [np.asarray(answer([texts[i] for i in order[at : at + BATCH]])) for at in range(0, len(order), BATCH)]
    found = np.concatenate(parts)
    return found[np.argsort(order)]


given = json.loads((FOLDER / "articles.json").read_text(encoding="utf-8"))
trained = given["trained"]
head = LogisticRegression(C=10, max_iter=1000)
head.fit(in_batches(Encoder().embeddings, given["texts"][:trained]), given["topics"][:trained])
np.savez(FOLDER / "head.npz", coefficients=head.coef_.astype(np.float32), intercept=head.intercept_.astype(np.float32))
(FOLDER / "labels.json").write_text(json.dumps(list(head.classes_)), encoding="utf-8")
encoder = Encoder()
np.save(FOLDER / "held_out.npy", in_batches(encoder, given["texts"][trained:]))
lines = (FOLDER / "inputs.jsonl").read_text(encoding="utf-8").splitlines()[: given["checked"]]
np.save(FOLDER / "answers.npy", in_batches(encoder, [json.loads(line) for line in lines]))
