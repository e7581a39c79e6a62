"""The desk: where one sample is labeled, whichever run does it, and what people have said there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from pressrun.config.room import room
from pressrun.jobs import Answered, Questions
from pressrun.lake.retraction import Withdrawn, withdrawn
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.step import Step

STAGE = "label"
_FOLDER = "labeling"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One labeling of one sample.

    Runs that label the same sample share it, one after another died or both at once: nothing is paid or asked twice.
    A fresh step has its own. `key` names whose questions people are asked, `work` what is paid for and kept.
    """

    key: str
    work: str

    def folder(self, step: Step) -> Path:
        """Where paid answers are kept; a fresh step that is asked for anew asks machines again, and nobody else."""
        return step.lake.staging(self.work, _FOLDER)

    def first_time(self, step: Step) -> bool:
        """Whether the step comes to the desk for the first time; a retry does not."""
        mark = self.folder(step) / f"asked-{hashlib.sha256(str(step.key).encode()).hexdigest()[:16]}"
        known = mark.exists()
        with room(mark.parent):
            mark.touch()
        return not known


def desk_of(step: Step, sampled: StageResult) -> Desk:
    """The desk of the step's sample. The step has been opened."""
    drawn = sampled.datasets["samples"].step_keys
    if drawn and not step.fresh:
        return Desk(key=drawn[0], work=drawn[0])
    return Desk(key=str(step.key), work=_own(step, step.lake.generation(step.key)))


def as_begun(step: Step) -> Step:
    """The step as it began: one that began fresh goes on so, whoever goes on with it."""
    standing = step.lake.standing(step.key)
    began = standing.result is None and step.lake.is_staging(_own(step, standing.generation), _FOLDER)
    return replace(step, fresh=True) if began else step


def _own(step: Step, generation: int) -> str:
    return f"{step.key}#{generation}" if generation else str(step.key)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What people said: `here`, to this desk's questions; `new`, here or late elsewhere, what no row holds yet."""

    here: tuple[Answered, ...] = ()
    new: tuple[Answered, ...] = ()

    @property
    def all(self) -> tuple[Answered, ...]:
        """Each answer once."""
        return tuple({answer.question_id: answer for answer in (*self.here, *self.new)}.values())

    @property
    def digest(self) -> str:
        """Changes with every answer."""
        parts = [sorted(answer.question_id for answer in answers) for answers in (self.here, self.new)]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def said(step: Step, queue: Questions, desk: Desk, labels: DatasetRef) -> Said:
    """People's answers for this step; `labels` are all other steps' rows, which hold an answer when it is in its place.

    That, and nothing beside it, says where an answer went: a step that took some and died has taken none.
    """
    model = step.pipeline.model
    gone = withdrawn(step.lake, model)
    told = queue.collect(pipeline=model, step_key=desk.key, settled=_settled(step))
    answers = [one for one in told if not _is_withdrawn(one, gone)]
    placed = _placed(step, labels)
    return Said(
        here=tuple(answer for answer in answers if answer.step_key == desk.key),
        new=tuple(answer for answer in answers if _place(answer) not in placed),
    )


def _is_withdrawn(answer: Answered, gone: Withdrawn) -> bool:
    person = gone.has_word_of(f"person:{answer.person}", answer.answered_at)
    return person or answer.article_id in gone.articles


def _settled(step: Step) -> frozenset[str]:
    """The desks where nobody waits any more."""
    done = [result for result in step.lake.results(step.pipeline.model) if result.stage == STAGE]
    return frozenset(key for result in done for key in (result.step_key, *_sample_of(result)))


def _sample_of(result: StageResult) -> tuple[str, ...]:
    return result.datasets["samples"].step_keys if "samples" in result.datasets else ()


def _placed(step: Step, labels: DatasetRef) -> set[tuple[str, str, datetime | None]]:
    people = pc.starts_with(pc.field("labeler"), "person:")
    rows = step.lake.read(labels, ["article_id", "labeler", "labeled_at"], where=people).to_pylist()
    return {_row_place(row) for row in rows}


def _row_place(row: Mapping[str, object]) -> tuple[str, str, datetime | None]:
    at = row["labeled_at"]
    return str(row["article_id"]), str(row["labeler"]), at if isinstance(at, datetime) else None


def _place(answer: Answered) -> tuple[str, str, datetime | None]:
    return answer.article_id, f"person:{answer.person}", answer.answered_at
