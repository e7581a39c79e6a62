from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import Engine

from pressrun.jobs import Outbox

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
