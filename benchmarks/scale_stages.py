"""One stage of the scale benchmark in a process of its own: `python scale_stages.py STAGE HOME ROWS`, JSON at the end.

What a stage needs is there already: `prepare` lands articles and impressions and trains a model to score with. Seconds
are those of the stage, without the start of the interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
warnings.simplefilter("ignore")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from pressrun.bundle import article_text, load_bundle, write_bundle  # noqa: E402
from pressrun.config.environment import Environment  # noqa: E402
from pressrun.config.load import load_environment, load_pipeline, load_taxonomy  # noqa: E402
from pressrun.config.pipeline import Interactions, Pipeline, Read  # noqa: E402
from pressrun.lake import StageResult, StepKey  # noqa: E402
from pressrun.simulator import Newsroom, articles_of  # noqa: E402
from pressrun.step import Step, open_lake  # noqa: E402
from pressrun.taste import tasting_environment  # noqa: E402

RUN, SEED = "night-1", 11
MODEL_ROWS = 2000
IMPRESSIONS, SLATE, CHUNK = 10, 5, 100_000
DAY = 1_767_571_200_000_000


def environment(home: Path) -> Environment:
    """Everything below `home`; Spark as on a laptop."""
    os.environ["PRESSRUN_HOME"] = str(home)
    return tasting_environment(home).model_copy(update={"spark": load_environment("laptop").spark})


def pipeline(home: Path, engine: str = "duckdb") -> Pipeline:
    loop = load_pipeline("topics")
    shown = Interactions(path=str(home / "landing" / "topics" / "interactions" / "*.parquet"))
    return loop.model_copy(
        update={
            "articles": loop.articles.model_copy(update={"read": Read()}),
            "sample": loop.sample.model_copy(update={"engine": engine}),
            "interactions": shown,
        }
    )


def step(home: Path, task: str, engine: str = "duckdb") -> Step:
    place = environment(home)
    key = StepKey(dag_id="scale", run_id=RUN, task_id=task)
    return Step(key=key, pipeline=pipeline(home, engine), environment=place, lake=open_lake(place))


def prepare(home: Path, rows: int) -> Callable[[], Any]:
    def work() -> None:
        land(home, rows)
        train(home)

    return work


def land(home: Path, rows: int) -> None:
    """The simulator's articles, and impressions of them ten times as many; neither is ever in memory as a whole."""
    folder = home / "landing" / "topics"
    (folder / "interactions").mkdir(parents=True)
    urls = []
    with (folder / "night-001.jsonl").open("w", encoding="utf-8") as file:
        for article in articles_of(Newsroom(seed=SEED, articles_per_night=rows), 1):
            urls.append(article.url)
            row = asdict(article) | {"published_at": article.published_at.isoformat()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_impressions(folder / "interactions" / "night-001.parquet", pa.array(urls), IMPRESSIONS * rows)


def write_impressions(file: Path, urls: pa.Array, impressions: int) -> None:
    """In the columns of the simulator's: slates of SLATE articles, readers a tenth as many as articles."""
    random = np.random.default_rng(SEED)
    writer = None
    for start in range(0, impressions, CHUNK):
        rows = np.arange(start, min(start + CHUNK, impressions))
        slates, readers = rows // SLATE, random.integers(0, max(len(urls) // 10, 1), len(rows))
        clicked = random.random(len(rows)) < 0.15
        seconds = np.where(clicked, random.lognormal(3.2, 0.8, len(rows)).round(1), np.nan)
        table = pa.table(
            {
                "impression_id": pa.array([f"n1-{row // SLATE:07d}-{row % SLATE}" for row in rows.tolist()]),
                "slate_id": pa.array([f"n1-{slate:07d}" for slate in slates.tolist()]),
                "reader_id": pa.array([f"reader-{reader:06d}" for reader in readers.tolist()]),
                "shown_at": pa.array(DAY + slates % 86_400 * 1_000_000, pa.timestamp("us", "UTC")),
                "url": urls.take(pa.array(random.integers(0, len(urls), len(rows)))),
                "position": pa.array(rows % SLATE),
                "propensity": pa.repeat(pa.scalar(SLATE / len(urls)), len(rows)),
                "clicked": pa.array(clicked),
                "dwell_seconds": pa.array(seconds, from_pandas=True),
            }
        )
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def train(home: Path) -> None:
    """The default family on both features, learned from labels that other articles brought along."""
    from pressrun.training.corpus import read_corpus
    from pressrun.training.families import Svm

    taxonomy = load_taxonomy(pipeline(home))
    articles = list(articles_of(Newsroom(seed=SEED + 1, articles_per_night=MODEL_ROWS), 1))
    corpus = read_corpus([article_text(a.title, a.body) for a in articles])
    targets = np.array([taxonomy.names.index(taxonomy.resolve(a.label)) for a in articles])
    model = Svm(c=1.0).fit(
        features=corpus.features, targets=targets, weights=np.ones(len(targets)), classes=len(taxonomy.names), seed=SEED
    )
    write_bundle(home / "bundle", name="topics", labels=taxonomy.names, steps=corpus.steps, model=model, slope=1.0)


def ingest(home: Path, rows: int) -> Callable[[], Any]:
    from pressrun.ingest import ingest as stage

    return lambda: stage(step(home, "ingest"))


def near_duplicates(home: Path, rows: int) -> Callable[[], Any]:
    from pressrun.sampling.groups import near_duplicates as found

    lake, ingested = open_lake(environment(home)), done(home, "ingest")
    return lambda: found(lake.read(ingested.datasets["articles"], ["article_id", "title", "body"]), 0.8)


def sample(home: Path, rows: int) -> Callable[[], Any]:
    return _sample(home, "duckdb")


def sample_on_spark(home: Path, rows: int) -> Callable[[], Any]:
    return _sample(home, "spark")


def _sample(home: Path, engine: str) -> Callable[[], Any]:
    from pressrun.sampling.stage import sample as stage

    ingested = done(home, "ingest")
    return lambda: stage(step(home, f"sample-{engine}", engine), ingested)


def score(home: Path, rows: int) -> Callable[[], Any]:
    bundle, lake, ingested = load_bundle(home / "bundle"), open_lake(environment(home)), done(home, "ingest")

    def work() -> Any:
        articles = lake.read(ingested.datasets["articles"], ["title", "body"])
        return bundle.scores(list(map(article_text, *(articles[name].to_pylist() for name in ("title", "body")))))

    return work


def done(home: Path, task: str) -> StageResult:
    result = step(home, task).lake.finished(step(home, task).key)
    assert result is not None, f"{task} comes first"
    return result


STAGES = {f.__name__: f for f in (prepare, ingest, near_duplicates, sample, sample_on_spark, score)}


def main() -> None:
    name, home, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    work = STAGES[name](home, rows)
    start, used = time.perf_counter(), time.process_time()
    work()
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - used}))


if __name__ == "__main__":
    main()
