"""Whose a failure is where a service tells it in words alone: the job's, its platform's or the configuration's.

What the job itself has raised is quoted in those words, and so are ids and addresses. Neither is judged: an exception
that has `image` or `quota` in it is the job's, and a retry of it may help.
"""

from __future__ import annotations

import re

Judged = tuple[str, str]
"""The kind, as in `JobState.failure`, and what to do."""
_MEMORY = "out of memory: raise spark.platform.resources"
# Emptied before a service's words are judged: addresses, and names in quotes.
_QUOTED = re.compile(r"[a-z0-9+]+://\S+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)

# EMR begins so what the driver ended with; its last exceptions follow.
_EMR_OWN = re.compile(r"job execution failed|exitcode|last few exceptions", re.IGNORECASE)
_EMR_PLATFORM = re.compile(
    r"insufficient capacity|maximumcapacity|maxcapacityexceeded|quota\b.*\bexceeded|exceeded\b.*\bquota|limit exceeded"
    r"|internal error|timed out waiting for resources",
    re.IGNORECASE,
)
_EMR_CONFIGURATION = re.compile(
    r"access ?denied|not authorized to|could not be assumed|\bimage (?:could not|validation|not found|does not exist)"
    r"|(?:application|role|entry ?point) \S* ?does not exist",
    re.IGNORECASE,
)

_GOOGLE_OWN = re.compile(r"job failed with message \[", re.IGNORECASE)
_GOOGLE_PLATFORM = re.compile(
    r"insufficient\b.*\bquota|quota\b.*\bexceeded|exceeded\b.*\bquota|stockout|resource_exhausted"
    r"|enough resources available|internal error|task not acquired|cluster is not in|\bpreempted\b|lost node"
    r"|agent failed",
    re.IGNORECASE,
)
_GOOGLE_CONFIGURATION = re.compile(
    r"permission \S+ (?:was )?denied|permission denied|does not have storage\.\w+|private google access"
    r"|(?:service account|subnetwork|network|image) \S* ?(?:does not exist|not found)"
    r"|pull\w* (?:the )?(?:container )?image|\b403 forbidden",
    re.IGNORECASE,
)


def of_emr_serverless(said: str) -> Judged:
    """By a job run's `stateDetails`."""
    if not _EMR_OWN.search(said):
        service = _QUOTED.sub("", said)
        if _EMR_PLATFORM.search(service):
            return "platform", "Raise the application's maximum capacity or the account's quota of vCPUs; a retry helps"
        if _EMR_CONFIGURATION.search(service):
            return "configuration", "Look at the job's role, its trust in emr-serverless.amazonaws.com, and the image"
    return "job", f"Read the driver's log for the last error; {_MEMORY}"


def of_dataproc_batch(said: str) -> Judged:
    """By a batch's `state_message`."""
    return _of_google(
        said,
        platform="Raise the region's quota of CPUs or addresses, or ask for less; a retry helps",
        configuration="Look at the job's service account, the subnetwork's Private Google Access, the image",
    )


def of_dataproc_job(said: str) -> Judged:
    """By the `details` of a job's status."""
    return _of_google(
        said,
        platform="Look at the cluster's state and its nodes; a retry helps",
        configuration="Look at the rights of the cluster's service account on the lake's bucket",
    )


def _of_google(said: str, *, platform: str, configuration: str) -> Judged:
    if not _GOOGLE_OWN.search(said):
        service = _QUOTED.sub("", said)
        if _GOOGLE_PLATFORM.search(service):
            return "platform", platform
        if _GOOGLE_CONFIGURATION.search(service):
            return "configuration", configuration
    return "job", f"Read the driver's output for the last error; {_MEMORY}"
