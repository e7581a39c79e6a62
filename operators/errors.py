"""Why a task of the loop stops. Each says whether a retry helps."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowFailException


class VerdictStopped(AirflowFailException):
    """A verdict was not a pass. A retry does not help: the same rows get the same verdict."""


class NotUsable(AirflowFailException):
    """A file that a user wrote cannot be used as it is. A retry without an edit does not help."""


class PlatformRefused(AirflowFailException):
    """The platform refused a job as it was asked for: a right, a name or a setting is wrong. A retry does not help."""


class AlertsStuck(RuntimeError):
    """Messages lie undelivered in the outbox. A retry tries to deliver them again."""
