"""The tables of the benchmark of kills, in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kills_lineage import Tally
from kills_stock import Stock
from rich.console import Console
from rich.table import Table

Rows = list[list[str]]
_KILLED = ["stage or job", "killed", "kills"]
_SUBJECTS = ["stage or job", "lineages", "kills", "lost", "doubled", "started twice"]
_STOCK = ["stock operator", "killed once its job was accepted", "jobs started twice"]


def kill_rows(tally: Tally) -> Rows:
    """A row a subject and kind of boundary."""
    return [[subject, boundary, str(count)] for subject, boundary, count in tally.table()]


def subject_rows(tally: Tally) -> Rows:
    rows = []
    for name in sorted({one.subject for one in tally.outcomes}):
        mine = Tally(outcomes=[one for one in tally.outcomes if one.subject == name])
        counts = mine.summary()
        counted = [counts["kills"], counts["lost"], counts["doubled"], counts["started_twice"]]
        rows.append([name, str(len(mine.outcomes)), *map(str, counted)])
    return rows


def stock_rows(stock: Sequence[Stock]) -> Rows:
    return [[one.operator, str(one.kills), str(one.started_twice)] for one in stock]


def show(console: Console, tally: Tally, stock: Sequence[Stock], found: Mapping[str, object]) -> None:
    _print(console, _KILLED, kill_rows(tally))
    _print(console, _SUBJECTS, subject_rows(tally))
    _print(console, _STOCK, stock_rows(stock))
    for name, value in found.items():
        console.print(f"{name}: {value}", highlight=False)


def _print(console: Console, headings: list[str], rows: Rows) -> None:
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def write_page(folder: Path, tally: Tally, stock: Sequence[Stock], found: Mapping[str, object], *, about: str) -> None:
    """The page with every table, how it was made, the machine and the commit."""
    text = f"""# Killed anywhere

| SIGKILLs | rows lost | rows doubled | jobs started twice | by Airflow's stock operators |
|--:|--:|--:|--:|--:|
| {found["kills"]} | {found["lost"]} | {found["doubled"]} | {found["started_twice"]} | {found["stock_started_twice"]} |

{_markdown(_SUBJECTS, subject_rows(tally))}

## Beside it: stock operators

{_markdown(_STOCK, stock_rows(stock))}

Each operator is made as its documentation makes it and killed when the service has accepted its job, before the answer
is written down anywhere; then Airflow's retry follows: a new process, the same task instance, the next try. Started
twice is a job that is started while one of the same task has not failed. Only a batch that is given an id of its own is
found again; a retry after it has failed finds it too, and fails with it, until somebody changes the id.
`KubernetesPodOperator`, which is not in this run, looks for its pod by labels and goes on with it.

## How it was made

A night of 60 simulated articles, run by the real stages in processes that are forked from one that has everything
imported. A process is told the number of a boundary, and sends itself SIGKILL there: before and after each data file,
commit to the lake, table's creation, commit to the operational database and to MLflow's, file that MLflow keeps, fsync,
renaming, upload, request to a labeling service and to a platform. After a request means that the service has obeyed,
and nobody here knows. There is a lineage for every boundary that an unharmed run passes; a half of them are killed
again in the retry. Further lineages are killed up to three times, a third of those kills from outside, the whole
process group at a random moment. Retries go on until one ends.

Then everything in the home is compared with what the unharmed run left: each row of each table of the lake, as it lies
there and as readers see it; questions and answers; messages; MLflow's runs with their parameters, metrics, tags, inputs
and files; versions, their marks and aliases. What is missing is lost, what is more is doubled; a lineage whose retries
never end counts as lost. Scores are compared to five digits: a retry that has some answers already sends smaller
batches, and the last digits of float32 move. Of the labeling service no answer that was on the disk is asked for again.

Jobs are started through the wire-level fakes of EMR Serverless, EMR on EKS, Dataproc and Kubernetes, which now and
then lose the answer to a submit or list a new job late. What they start is the real driver with the job's own work
order and the fenced lake, in a process of its own that is killed as well; DuckDB stands in for Spark there. Where a
driver dies the job has failed, and one job of the next generation follows, which is no second start.

On this machine, `local`, no service is faked: the platform starts a process of its own, the wrapper, which starts the
driver, each a new Python, DuckDB in Spark's place there, too. Starting or killing a process is a boundary as well. Try,
wrapper and driver die each by itself, at their boundaries and, from outside, at random moments; the wrapper around
taking the job's lock, noting itself, starting the driver and noting how that ended. In about half of the lineages the
driver waits until somebody looks at the job; in the others it goes on, and may have written everything before the next
try begins. A driver itself notes when it starts, and counts as started twice where its job had one before, whatever
became of that, or where another job's driver still runs or was noted as a success.

The rollout is a home's first one, with the real supervisor and servers that start at once; where the supervisor is
killed, the next one is started beside the servers that it left. Traffic under faults has a page of its own: [rollout
faults](rollout_faults.md).

## Where

{_markdown(_KILLED, kill_rows(tally))}

Machine: {about}
Again: `python benchmarks/kills.py --write docs/benchmarks`.
"""
    (folder / "kills.md").write_text(text, encoding="utf-8")


def _markdown(headings: list[str], rows: Rows) -> str:
    lines = [headings, ["---", *["--:" if row.isdigit() else "---" for row in (rows or [headings])[0][1:]]], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
