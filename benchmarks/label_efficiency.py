"""How good a model is for how many labels by people, beside TF-IDF + linear SVM on the same labels in the same run.

    python benchmarks/label_efficiency.py --train FILE --test FILE [--topics FILE] [--json]

FILE is a CSV without a header: topic's code, title, body. `--topics` is a taxonomy (YAML) whose codes match. The
articles of --train are known to both; their topics only as far as people are said to have labeled them. Pressrun's
side is pressrun.training.learn, what the loop itself runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import yaml  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.metrics import f1_score  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

from pressrun.bundle import article_text  # noqa: E402
from pressrun.bundle.preprocessing import features  # noqa: E402
from pressrun.config.taxonomy import Taxonomy  # noqa: E402
from pressrun.stats import compare_classifiers  # noqa: E402
from pressrun.training.corpus import Corpus, read_corpus  # noqa: E402
from pressrun.training.families import family  # noqa: E402
from pressrun.training.learn import Labels, learn  # noqa: E402
from pressrun.training.teacher import UNKNOWN, Codes  # noqa: E402

COUNTS = (0, 100, 300, 1000)
HELD_OUT = 0.2


@dataclass(frozen=True, kw_only=True)
class Point:
    """Mean macro-F1 over `draws` of `people` labeled articles.

    `low` to `high` holds the middle 95% of the draws; where there is only one draw to make, of resamples of the test's
    articles.
    """

    method: str
    people: int
    macro_f1: float
    low: float
    high: float
    draws: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a run needs, read once: the training articles, the test's features and topics, the peer's features."""

    taxonomy: Taxonomy
    corpus: Corpus
    train: Codes
    test: Codes
    test_features: sparse.csr_matrix
    peer_train: sparse.csr_matrix
    peer_test: sparse.csr_matrix
    families: tuple[str, ...]


def read_articles(path: Path, taxonomy: Taxonomy) -> tuple[list[str], Codes]:
    """Texts and topic numbers. Raises SystemExit naming the line whose topic the taxonomy lacks."""
    texts, topics = [], []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            name = taxonomy.resolve(row[0]) if len(row) >= 3 else None
            if name is None:
                raise SystemExit(f"{path}:{number}: no topic of {taxonomy.name}, or no title and body: {row[:1]}")
            texts.append(article_text(row[1], row[2]))
            topics.append(taxonomy.names.index(name))
    return texts, np.array(topics, dtype=np.int64)


def prepare(train: Path, test: Path, taxonomy: Taxonomy, families: Sequence[str]) -> Task:
    texts, topics = read_articles(train, taxonomy)
    test_texts, test_topics = read_articles(test, taxonomy)
    corpus = read_corpus(texts)
    peer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    return Task(
        taxonomy=taxonomy,
        corpus=corpus,
        train=topics,
        test=test_topics,
        test_features=features(corpus.steps, test_texts),
        peer_train=peer.fit_transform(texts),
        peer_test=peer.transform(test_texts),
        families=tuple(families),
    )


def draws(task: Task, people: int, repeats: int) -> Iterator[Codes]:
    """Row numbers of labeled articles. With all or none of them there is only one draw to make."""
    total = len(task.train)
    for seed in range(repeats if 0 < people < total else 1):
        yield np.sort(np.random.default_rng(seed).permutation(total)[:people])


def pressrun_answers(task: Task, rows: Codes, seed: int) -> Codes:
    generator = np.random.default_rng(1000 + seed)
    people = np.full(len(task.train), UNKNOWN, dtype=np.int64)
    people[rows] = task.train[rows]
    held = np.zeros(len(people), dtype=bool)
    pool = rows if len(rows) else np.arange(len(people))
    held[generator.permutation(pool)[: int(HELD_OUT * len(pool))]] = True
    unread = np.full((len(people), len(task.taxonomy.topics)), np.nan)
    labels = Labels(people=people, machine=unread, held_out=held)
    made = [family(name) for name in task.families]
    learned = learn(task.corpus, labels, taxonomy=task.taxonomy, families=made, seed=seed)
    return np.asarray(learned.scores(task.test_features).argmax(axis=1))


def peer_answers(task: Task, rows: Codes, seed: int) -> Codes:
    machine = LinearSVC(random_state=seed).fit(task.peer_train[rows], task.train[rows])
    return np.asarray(machine.predict(task.peer_test))


def macro_f1(task: Task, answers: Codes) -> float:
    return float(f1_score(task.test, answers, average="macro"))


def measure(task: Task, repeats: int, console: Console) -> Iterator[Point]:
    total = len(task.train)
    for people in (*(count for count in COUNTS if count < total), total):
        start = time.perf_counter()
        said: dict[str, list[Codes]] = {"pressrun": [], "tfidf_svm": []}
        for seed, rows in enumerate(draws(task, people, repeats)):
            said["pressrun"].append(pressrun_answers(task, rows, seed))
            if people:
                said["tfidf_svm"].append(peer_answers(task, rows, seed))
        console.print(f"{people:,} labels: {time.perf_counter() - start:.0f} s")
        yield from (summary(method, people, answers, task) for method, answers in said.items() if answers)


def summary(method: str, people: int, answers: Sequence[Codes], task: Task) -> Point:
    values = [macro_f1(task, one) for one in answers]
    low, high = np.quantile(values, [0.025, 0.975])
    if len(answers) == 1:
        found = compare_classifiers(task.test, answers[0], classes=len(task.taxonomy.topics)).macro_f1
        low, high = found.low, found.high
    mean = float(np.mean(values))
    return Point(method=method, people=people, macro_f1=mean, low=float(low), high=float(high), draws=len(values))


def table(points: Sequence[Point]) -> Table:
    shown = Table(title="macro-F1 by number of articles that people labeled")
    for heading in ("people's labels", "method", "macro-F1", "95% interval", "draws"):
        shown.add_column(heading, justify="left" if heading == "method" else "right")
    for point in points:
        interval = f"[{point.low:.3f}, {point.high:.3f}]"
        shown.add_row(f"{point.people:,}", point.method, f"{point.macro_f1:.3f}", interval, str(point.draws))
    return shown


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory"


def commit() -> str:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def write_page(folder: Path, points: Sequence[Point], task: Task, about: str) -> None:
    """The table and the picture, with the machine and the commit."""
    rows = "\n".join(
        f"| {p.people:,} | {p.method} | {p.macro_f1:.3f} | {p.low:.3f} to {p.high:.3f} | {p.draws} |" for p in points
    )
    (folder / "label_efficiency.md").write_text(
        f"# Labels by people, and what they buy\n\n"
        f"Macro-F1 on {len(task.test):,} articles apart, after training on {len(task.train):,} of which people labeled "
        f"some. `tfidf_svm` is scikit-learn's TfidfVectorizer and LinearSVC on the same labels in the same run.\n\n"
        f"![Curve](label_efficiency.png)\n\n"
        f"| people's labels | method | macro-F1 | 95% interval | draws |\n|--:|---|--:|---|--:|\n{rows}\n\n"
        f"The interval is over the draws of which articles people labeled; where they labeled none or all there is one "
        f"draw to make, and it is over resamples of the test's articles. {about + ' ' if about else ''}"
        f"Machine: {machine()}. Commit {commit()}.\n"
        f"Again: `python benchmarks/label_efficiency.py --train FILE --test FILE --write docs/benchmarks`.\n",
        encoding="utf-8",
    )
    draw(folder / "label_efficiency.png", points)


def draw(path: Path, points: Sequence[Point]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), dpi=150)
    for method, name, colour in (("pressrun", "Pressrun", "#0b6e4f"), ("tfidf_svm", "TF-IDF + linear SVM", "#999999")):
        mine = [p for p in points if p.method == method]
        places = [max(p.people, 30) for p in mine]
        axes.plot(places, [p.macro_f1 for p in mine], marker="o", color=colour, label=name)
        axes.fill_between(places, [p.low for p in mine], [p.high for p in mine], color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    counts = sorted({p.people for p in points})
    axes.set_xticks([max(count, 30) for count in counts], [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set(xlabel="articles labeled by people", ylabel="macro-F1")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(path)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--topics", type=Path, default=ROOT / "config/taxonomies/news-topics.yaml")
    parser.add_argument("--draws", type=int, default=10, help="labeled sets a point (default 10)")
    parser.add_argument("--families", nargs="+", default=["svm"], choices=["svm", "lightgbm"])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--about", default="", help="what the articles are, for the page")
    parser.add_argument("--write", type=Path, help="a folder for the page and the picture")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    console = Console(stderr=True)
    taxonomy = Taxonomy.model_validate(yaml.safe_load(chosen.topics.read_text(encoding="utf-8")))
    task = prepare(chosen.train, chosen.test, taxonomy, chosen.families)
    points = list(measure(task, chosen.draws, console))
    Console().print(table(points))
    if chosen.write:
        write_page(chosen.write, points, task, chosen.about)
    if chosen.json:
        print(json.dumps({"points": [asdict(point) for point in points]}))


if __name__ == "__main__":
    main()
