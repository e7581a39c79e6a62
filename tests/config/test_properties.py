"""What holds of config files whatever is in them: a mistake is told where it stands, and none is a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.timetables.trigger import CronTriggerTimetable
from croniter import croniter
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pressrun.config.check import check_pipeline
from pressrun.config.cron import PRESETS, parse_schedule
from pressrun.config.document import read_document
from pressrun.config.explain import near_miss
from pressrun.config.values import parse_duration, parse_share
from tests.config.conftest import PIPELINE, REPOSITORY, Project

DATA = yaml.safe_load((REPOSITORY / PIPELINE).read_text(encoding="utf-8"))
LINES = read_document(REPOSITORY / PIPELINE).lines


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the pipeline file that ships."""
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from paths(item, (*path, key))


PATHS = list(paths(DATA))


def with_key(key: str, new: str, line: int) -> str:
    """The file that ships with one key renamed, on its own line."""
    lines = (REPOSITORY / PIPELINE).read_text(encoding="utf-8").splitlines()
    lines[line - 1] = re.sub(rf"(^|[\s{{]){key}:", rf"\g<1>{new}:", lines[line - 1], count=1)
    return "\n".join(lines)


@pytest.mark.parametrize("path", [path for path in PATHS if path[-1] != "macro_f1"], ids=".".join)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_key_misspelt_by_a_letter_is_told_with_the_one_that_was_meant(
    project: Project, path: tuple[str, ...], data: st.DataObject
) -> None:
    key, place = path[-1], data.draw(st.integers(0, len(path[-1]) - 1))
    misspelt = key[:place] + key[place + 1 :]
    assume(near_miss(misspelt, [key]) == key)
    project.write(with_key(key, misspelt, LINES[path]))
    messages = [message for message in project.check() if f":{LINES[path]}: " in message]
    dotted = ".".join((*path[:-1], misspelt))
    assert any(f" {dotted} is " in message and "there is no such key" in message for message in messages)
    assert any(message.endswith(f"Did you mean {key}?") for message in messages)


WRONG = st.sampled_from([{"x": 1}, [[1]], {"a": {"b": None}}])


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wrong=WRONG)
def test_a_value_of_the_wrong_shape_is_told_at_its_key(project: Project, path: tuple[str, ...], wrong: Any) -> None:
    spoilt = yaml.safe_load(project.text())
    around = spoilt
    for part in path[:-1]:
        around = around[part]
    around[path[-1]] = wrong
    project.write(yaml.safe_dump(spoilt, sort_keys=False))
    messages = project.check()
    assert messages
    assert any(f" {'.'.join(path)}" in message for message in messages)
    assert all(re.match(rf"{PIPELINE}:\d+: ", message) for message in messages)


@given(text=st.text(alphabet=st.sampled_from("ab:-[]{},\"'#&*!|>%@`\t\n ?0.1~<\\\x00é"), max_size=60))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_file_is_a_problem_and_never_a_traceback(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(text, encoding="utf-8")
    problems = check_pipeline(file)
    assert problems
    assert all(problem.file == file and str(problem) for problem in problems)


def test_a_number_without_end_is_told(project: Project) -> None:
    line = project.spoil("rows: 1200", f"rows: {'9' * 5000}")
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line}: sample.rows: a number cannot have so many digits")


@given(percent=st.floats(min_value=1.01, max_value=100))
def test_every_percentage_is_told_with_its_share(percent: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Did you mean {percent / 100:g}?")):
        parse_share(percent)


@given(share=st.floats(min_value=0, max_value=1))
def test_every_share_is_let_through(share: float) -> None:
    assert parse_share(share) == share


@given(text=st.text(alphabet="0123456789.smhdPT- \t", max_size=12))
def test_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(parse_duration(text), timedelta | str)
    except ValueError:
        assert not re.fullmatch(r"\d{1,4}[smhd]", text)


CRON_VALUE = st.one_of(
    st.integers(0, 70).map(str), st.sampled_from(["*", "MON", "fri", "JAN", "L", "L5", "5#2", "x", ""])
)
CRON_PART = st.builds("".join, st.tuples(CRON_VALUE, st.sampled_from(["", "", "", "-3", "/2", "-30/5", ",7", "/0"])))


@given(fields=st.lists(CRON_PART, min_size=5, max_size=5))
@settings(max_examples=500)
def test_a_schedule_that_is_let_through_is_one_for_airflow(fields: list[str]) -> None:
    schedule = " ".join(fields)
    try:
        parse_schedule(schedule)
    except ValueError:
        return
    croniter(schedule)


@pytest.mark.parametrize(
    "schedule",
    ["0 2 * * *", "*/15 * * * *", "0 2 * * MON-FRI", "30 1,13 1-7 * 0", "0 0 L * *", "0 2 * * 5#2", *PRESETS],
)
def test_schedules_that_people_write_are_let_through_and_airflow_takes_them(schedule: str) -> None:
    assert parse_schedule(schedule) == schedule
    CronTriggerTimetable(schedule, timezone="UTC").validate()


@pytest.mark.parametrize("schedule", ["@once", "@continuous"])
def test_presets_that_are_no_cron_are_refused_as_airflow_refuses_them(schedule: str) -> None:
    with pytest.raises(Exception, match="columns"):
        CronTriggerTimetable(schedule, timezone="UTC").validate()
    with pytest.raises(ValueError, match="it is no schedule"):
        parse_schedule(schedule)
