"""What a candidate leaves behind: text of strangers, kept for people to read."""

from __future__ import annotations

import pytest

from pressrun.rollout.kubernetes.last_words import MOST_EVENTS, MOST_LINES, MOST_PODS, last_words
from pressrun.rollout.kubernetes.seeing import look
from pressrun.rollout.types import LastWords
from tests.rollout.kubernetes.cluster_in_memory import ClusterInMemory, arm_pod, ready

NAME = "topics-g1"


@pytest.fixture
def cluster() -> ClusterInMemory:
    return ClusterInMemory()


def kept(cluster: ClusterInMemory) -> dict[str, LastWords]:
    pods = [pod for pod in look(cluster, "topics", split="weights").pods if pod.generation == 1]
    return {words.server: words for words in last_words(cluster, pods, NAME)}


def event(cluster: ClusterInMemory, involved: str, message: str, *, at: int = 0) -> None:
    cluster.put(
        "Event", f"{involved}.{message}", involvedObject={"name": involved}, type="Warning", reason="BackOff",
        message=message, lastTimestamp=f"2026-01-05T03:00:{at:02}Z",
    )  # fmt: skip


def test_the_last_lines_before_and_since_the_restart_are_kept(cluster: ClusterInMemory) -> None:
    arm_pod(cluster, "p", 1)
    cluster.said["p/server/previous"] = "\n".join(f"before {n}" for n in range(150))
    cluster.said["p/server/now"] = "\n".join(f"since {n}" for n in range(100))
    log = kept(cluster)["p"].log
    assert len(log) == MOST_LINES
    assert (log[0], log[-1]) == ("before 50", "since 99")


def test_of_a_server_that_never_began_the_fetching_containers_words_are_kept(cluster: ClusterInMemory) -> None:
    arm_pod(cluster, "p", 1)
    cluster.said["p/fetch/now"] = "the bundle's digest is another"
    assert kept(cluster)["p"].log == ("the bundle's digest is another",)


def test_those_that_ended_most_often_are_heard_first_and_few_of_many(cluster: ClusterInMemory) -> None:
    for number in range(9):
        arm_pod(cluster, f"p{number}", 1, containerStatuses=ready(restarts=number)["containerStatuses"])
        cluster.said[f"p{number}/server/now"] = "x\n" * 300
    words = kept(cluster)
    assert list(words) == ["p8", "p7", "p6", "p5", NAME]
    assert len(words) == MOST_PODS + 1
    assert [len(one.log) for one in words.values()] == [200, 50, 50, 50, 0]


def test_the_deployments_events_are_told_and_not_those_of_a_name_that_begins_the_same(cluster: ClusterInMemory) -> None:
    event(cluster, NAME, "ScalingReplicaSet")
    event(cluster, f"{NAME}-7bdf5c9d7", "exceeded quota")
    for other in ("topics-g10", "topics-g10-7bdf5c9d7", f"{NAME}-baseline", f"{NAME}-baseline-7bdf5c9d7", "other"):
        event(cluster, other, "not ours")
    told = kept(cluster)[NAME].events
    assert [text.rpartition(": ")[2] for text in told] == ["ScalingReplicaSet", "exceeded quota"]


def test_a_pods_newest_events_are_told_in_their_order(cluster: ClusterInMemory) -> None:
    arm_pod(cluster, "p", 1)
    for at in range(59, -1, -1):
        event(cluster, "p", f"{at}", at=at)
    told = kept(cluster)["p"].events
    assert len(told) == MOST_EVENTS
    assert told[-1] == "2026-01-05T03:00:59Z Warning BackOff: 59"
    assert told == tuple(sorted(told))


def test_events_without_times_or_words_are_no_surprise(cluster: ClusterInMemory) -> None:
    cluster.put("Event", "e", involvedObject={"name": NAME})
    cluster.put("Event", "f", involvedObject={})
    cluster.put("Event", "g")
    assert len(kept(cluster)[NAME].events) == 1


def test_secrets_are_not_kept_also_where_the_end_of_a_line_cuts_one(
    cluster: ClusterInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_PASSWORD", "correct-horse-battery")
    arm_pod(cluster, "p", 1)
    cluster.said["p/server/now"] = f"{'x' * 285}correct-horse-battery\npassword=hunter2secret"
    event(cluster, "p", "http://ann:hunter2secret@mlflow refused")
    words = kept(cluster)["p"]
    assert "correct" not in str(words)
    assert "hunter2" not in str(words)


def test_what_steers_a_terminal_or_hides_text_is_not_kept(cluster: ClusterInMemory) -> None:
    arm_pod(cluster, "p", 1)
    cluster.said["p/server/now"] = "\x1b[2Jcleared\x00 \u202egnorw\ttabbed"
    assert kept(cluster)["p"].log == ("\ufffd[2Jcleared\ufffd \ufffdgnorw\ttabbed",)


def test_a_cluster_without_pods_still_tells_the_deployments_events(cluster: ClusterInMemory) -> None:
    event(cluster, NAME, "quota")
    assert kept(cluster).keys() == {NAME}
