"""The demo's story in five parts. What goes wrong is done to the loop from outside; the loop has to find it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pressrun.demo.loop import Run, StoryStoppedError, follow, start_run
from pressrun.demo.mishap import import_labels_right, import_labels_shifted, most_common_label, readable_articles
from pressrun.demo.neighbour import NoisyNeighbour
from pressrun.demo.screen import Screen
from pressrun.demo.stack import Stack
from pressrun.demo.stock import Stock
from pressrun.demo.traffic import Traffic
from pressrun.rollout import Phase, status
from pressrun.step import open_lake
from pressrun.verdict import Decision, Verdict

SAMPLE_ROWS = {1: 300, 2: 1200, 3: 600, 4: 600}
LEAN = 0.75
DRIFT_PATIENCE = 150.0


@dataclass(kw_only=True)
class Story:
    """Tells the five parts on a running stack."""

    stack: Stack
    stock: Stock
    screen: Screen
    traffic: Traffic
    runs: list[Run] = field(default_factory=list)
    told: dict[str, bool] = field(default_factory=dict)

    def tell(self) -> None:
        """All five parts, in order."""
        self.stack.airflow.wait_for_dags(self._dag("retrain"), self._dag("drift"))
        self.first_champion()
        self.better_candidate()
        self.spoilt_labels()
        self.slow_candidate()
        self.drift()

    def first_champion(self) -> Run:
        self.screen.title("Night 1  a first model becomes champion")
        run = self._night(1)
        self.told["a first model becomes champion"] = _promoted(run)
        self.traffic.offer(self._readable())
        return run

    def better_candidate(self) -> Run:
        self.screen.title("Night 2  more articles, more labels: a gate, then a canary under replayed traffic")
        run = self._night(2)
        self.told["a better one passes its gate and its canary"] = _promoted(run)
        return run

    def spoilt_labels(self) -> Run:
        self.screen.title("Night 3  a desk imports labels with its topic codes off by one")
        self._land(3)
        self.screen.line("imported", f"{import_labels_shifted(self.stack):,} labels, each one topic too far")
        run = self._run(3)
        self.told["one trained on spoilt labels is stopped at the gate"] = _decided(run, "gate") is Decision.FAIL
        return run

    def slow_candidate(self) -> Run:
        self.screen.title("Night 4  the labels are mended; a noisy neighbour slows the canary's process")
        self._land(4)
        self.screen.line("imported", f"{import_labels_right(self.stack):,} labels, right this time")
        run = start_run(self.stack, self._dag("retrain"), {"sample_rows": SAMPLE_ROWS[4]})
        self.runs.append(follow(run, self.stack, self.screen, until="rollout"))
        pid = self.candidate_pid(run)
        if pid is not None:
            with NoisyNeighbour(pid):
                follow(run, self.stack, self.screen)
        self.told["one that is slow under traffic is rolled back"] = _decided(run, "rollout") is Decision.FAIL
        return run

    def drift(self) -> Run | None:
        topic = most_common_label(self.stack)
        if topic is None:
            self.screen.title("Drift  the data has no labels of its own, so the mix cannot be shifted; skipped")
            return None
        self.screen.title(f"Drift  readers turn to one topic: {LEAN:.0%} of requests are about {topic}")
        self._wait_for_a_usual_window()
        self.traffic.lean_to(topic, share=LEAN)
        self._land(5)
        known = set(self._retrains())
        with self.screen.waiting("a window of the new traffic"):
            time.sleep(self.stack.pipeline.drift.window.total_seconds() * 1.2)
        self.runs.append(follow(start_run(self.stack, self._dag("drift")), self.stack, self.screen))
        started = self._retrain_that_started(known)
        self.told["drift is found and a retrain starts by itself"] = started is not None
        return started

    def verdicts(self) -> list[Verdict]:
        """Every verdict so far, oldest first."""
        lake = open_lake(self.stack.environment)
        snapshot = lake.snapshot("verdicts", pipeline=self.stack.pipeline.model)
        rows = lake.read(snapshot, ["verdict"]).column("verdict").to_pylist()
        return sorted((Verdict.model_validate_json(row) for row in rows), key=lambda verdict: verdict.at)

    def _night(self, night: int) -> Run:
        self._land(night)
        return self._run(night)

    def _land(self, night: int) -> None:
        landed = self.stock.land(night, landing=self.stack.landing)
        self.screen.line("landed", f"{landed:,} articles")

    def _run(self, night: int) -> Run:
        run = start_run(self.stack, self._dag("retrain"), {"sample_rows": SAMPLE_ROWS[night]})
        self.runs.append(run)
        return follow(run, self.stack, self.screen)

    def _dag(self, loop: str) -> str:
        return f"{self.stack.pipeline.model}_{loop}"

    def _readable(self) -> pa.Table:
        return readable_articles(self.stack)

    def candidate_pid(self, run: Run) -> int | None:
        """The canary's process, once it has traffic; None when the rollout ends before."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            record = status(self.stack.environment, self.stack.pipeline.model)
            stepping = record is not None and record.state is not None and record.state.phase is Phase.STEPPING
            found = self.stack.place.candidate_pid(record) if record is not None and stepping else None
            if found is not None:
                return found
            states = self.stack.airflow.task_states(run.dag_id, run.run_id)
            if states.get("rollout") in {"success", "failed", "skipped", "upstream_failed"}:
                return None
            time.sleep(0.2)
        raise StoryStoppedError(
            f"no canary of {run.run_id} was started within two minutes; see {self.stack.services.logs}"
        )

    def _retrains(self) -> list[str]:
        return [str(run["dag_run_id"]) for run in self.stack.airflow.runs(self._dag("retrain"))]

    def _wait_for_a_usual_window(self) -> None:
        """Drift compares with the champion's first window: waits until usual traffic has filled it."""
        record = status(self.stack.environment, self.stack.pipeline.model)
        promotions = [end.at for end in (record.outcomes if record else ()) if end.phase is Phase.PROMOTED]
        served = (datetime.now(UTC) - max(promotions)).total_seconds() if promotions else 0.0
        left = self.stack.pipeline.drift.window.total_seconds() * 1.1 - served
        if left > 0:
            with self.screen.waiting("a window of usual traffic"):
                time.sleep(left)

    def _retrain_that_started(self, known: set[str]) -> Run | None:
        deadline = time.monotonic() + DRIFT_PATIENCE
        with self.screen.waiting("the retrain that drift asked for"):
            while time.monotonic() < deadline:
                new = [run for run in self._retrains() if run not in known]
                if new:
                    break
                time.sleep(1)
            else:
                self.screen.line("retrain", "[yellow]none was asked for: see the drift verdict[/yellow]")
                return None
        self.screen.line("retrain", f"started by itself: {new[0]}")
        run = Run(dag_id=self._dag("retrain"), run_id=new[0])
        self.runs.append(run)
        return follow(run, self.stack, self.screen)


def _decided(run: Run, task: str) -> Decision | None:
    result = run.result(task)
    return result.verdict.decision if result and result.verdict else None


def _promoted(run: Run) -> bool:
    result = run.result("rollout")
    return bool(result and result.facts.get("promoted"))


def reports(home: Path) -> list[Path]:
    """The reports that the story has made, newest first."""
    return sorted((home / "reports").rglob("*.html"), key=lambda path: path.stat().st_mtime, reverse=True)
