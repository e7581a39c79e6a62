"""Why a request is not answered. Each holds the HTTP status, and what a client can do about it."""

from __future__ import annotations


class Refused(Exception):
    """The request is not answered; `status` is the HTTP status, `retry_after` seconds after which another try helps."""

    status = 400
    retry_after: int | None = None


class BadRequest(Refused):
    """The request cannot be answered as it is; sending it again does not help."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Overloaded(Refused):
    """Too many requests wait, or answers cannot be logged; trying again a little later helps."""

    status = 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlinePassed(Refused):
    """Whoever asked no longer waits: no work is spent on it."""

    status = 504


class ClientGone(Refused):
    """Whoever asked has left. Nobody sees the status, which is nginx's for it: a server is not to blame."""

    status = 499
