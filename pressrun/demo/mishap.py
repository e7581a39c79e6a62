"""What happens to the newsroom in the story: a desk's import of labels with the codes off by one, and its repair."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pyarrow as pa

from pressrun.config.load import load_taxonomy
from pressrun.demo.stack import Stack
from pressrun.labeling import import_labels
from pressrun.step import open_lake

SPOILT_SHARE = 0.6
DESK = "desk"


def readable_articles(stack: Stack) -> pa.Table:
    """The articles that have been ingested: article_id, title, body, and the data's own label (null where none)."""
    lake = open_lake(stack.environment)
    model = stack.pipeline.model
    articles = lake.read(lake.snapshot("articles", pipeline=model), ["article_id", "title", "body"])
    given = lake.read(lake.snapshot("given", pipeline=model), ["article_id", "label"])
    return articles.join(given, "article_id", join_type="left outer")


def import_labels_shifted(stack: Stack) -> int:
    """Imports labels of most articles, each one topic too far; returns how many."""
    names = load_taxonomy(stack.pipeline).names
    return _import(stack, {name: names[(number + 1) % len(names)] for number, name in enumerate(names)}, "shifted")


def import_labels_right(stack: Stack) -> int:
    """Imports the right labels of the same articles, which replace the shifted ones; returns how many."""
    return _import(stack, {name: name for name in load_taxonomy(stack.pipeline).names}, "mended")


def most_common_label(stack: Stack) -> str | None:
    """The data's own label that most articles have; None when it has none."""
    labels = [row["label"] for row in readable_articles(stack).to_pylist() if row["label"]]
    return Counter(labels).most_common(1)[0][0] if labels else None


def _import(stack: Stack, meaning: dict[str, str], name: str) -> int:
    taxonomy = load_taxonomy(stack.pipeline)
    rows = [
        (row["article_id"], meaning[topic])
        for row in readable_articles(stack).to_pylist()
        if row["label"] and _chosen(row["article_id"]) and (topic := taxonomy.resolve(row["label"])) is not None
    ]
    file = _write(stack.home / "imports" / f"{name}.csv", rows)
    import_labels(stack.environment, stack.pipeline, open_lake(stack.environment), file, person=DESK)
    return len(rows)


def _chosen(article_id: str) -> bool:
    return int(hashlib.sha256(article_id.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF < SPOILT_SHARE


def _write(file: Path, rows: list[tuple[str, str]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("article_id", "label"))
        writer.writerows(rows)
    return file
