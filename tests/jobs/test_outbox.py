from __future__ import annotations

from datetime import timedelta
from multiprocessing import get_context
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from pressrun.jobs import Outbox, open_database

MINUTE = timedelta(minutes=1)


def add(outbox: Outbox, thread: str, key: str, *, headline: str | None = None) -> bool:
    return outbox.add(
        key=f"{thread}:{key}", thread=thread, pipeline=thread, channel="#news", text=f"reply {key}", headline=headline
    )


def take(outbox: Outbox, thread: str, holder: str) -> list[str]:
    due = outbox.take(holder=holder, lasting=MINUTE)
    return [reply.text for delivery in due if delivery.thread.thread == thread for reply in delivery.replies]


def test_a_key_is_added_once_and_a_repeat_leaves_the_headline_alone(engine: Engine) -> None:
    outbox, thread = Outbox(engine), uuid4().hex
    assert add(outbox, thread, "1", headline="gate passed")
    assert add(outbox, thread, "2", headline="canary")
    assert not add(outbox, thread, "1", headline="gate passed")
    (head,) = outbox.threads(pipeline=thread)
    assert (head.text, head.revision) == ("canary", 2)
    assert [m.text for m in outbox.messages(thread=thread)] == ["reply 1", "reply 2"]


def test_a_thread_is_delivered_by_one_process_at_a_time(engine: Engine) -> None:
    outbox, thread = Outbox(engine), uuid4().hex
    add(outbox, thread, "1")
    assert take(outbox, thread, "one") == ["reply 1"]
    assert take(outbox, thread, "two") == []
    outbox.release(thread, holder="one")
    assert take(outbox, thread, "two") == ["reply 1"]


def test_what_is_delivered_is_not_due_again(engine: Engine) -> None:
    outbox, thread = Outbox(engine), uuid4().hex
    add(outbox, thread, "1")
    outbox.head_state(thread, sent_revision=1, state="sent")
    outbox.reply_state(f"{thread}:1", state="sent")
    assert take(outbox, thread, "one") == []


def test_names_as_long_as_airflow_allows_are_kept_whole(engine: Engine) -> None:
    outbox, run_id = Outbox(engine), uuid4().hex * 8
    thread, key, holder = f"topics {run_id}", f"topics_retrain/{run_id}/{'task' * 60}", "host." * 50
    assert add(outbox, thread, key)
    assert not add(outbox, thread, key)
    assert take(outbox, thread, holder) == [f"reply {key}"]
    outbox.release(thread, holder=holder)


@pytest.mark.parametrize("text", ["Zürich 社会 🚨", "a\0b", "caf\udce9"])
def test_an_alert_is_kept_whatever_characters_an_error_has_in_it(engine: Engine, text: str) -> None:
    outbox, thread = Outbox(engine), uuid4().hex
    outbox.add(key=thread, thread=thread, pipeline=thread, channel=None, text=text, headline=text)
    outbox.reply_state(thread, last_error=text)
    (head,), (reply,) = outbox.threads(pipeline=thread), outbox.messages(thread=thread)
    assert {head.text, reply.text, reply.last_error} == {text.replace("\0", "\\x00").replace("\udce9", "\\udce9")}


def _add_and_take(url: str, thread: str, holder: str) -> list[str]:
    outbox = Outbox(open_database(url))
    for number in range(20):
        add(outbox, thread, str(number), headline=f"{holder} {number}")
    return take(outbox, thread, holder)


def test_processes_that_add_at_once_add_each_key_once_and_one_of_them_delivers(url: str) -> None:
    thread = uuid4().hex
    with get_context("spawn").Pool(2) as pool:
        taken = pool.starmap(_add_and_take, [(url, thread, "one"), (url, thread, "two")])
    outbox = Outbox(open_database(url))
    assert sorted(m.text for m in outbox.messages(thread=thread)) == sorted(f"reply {n}" for n in range(20))
    assert sum(bool(replies) for replies in taken) == 1
    assert outbox.threads(pipeline=thread)[0].revision == 20
