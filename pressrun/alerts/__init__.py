"""Tells people: an outbox in front of Slack, or of the terminal where there is no Slack."""

from pressrun.alerts.tell import deliver, say, tell, threads
from pressrun.jobs import Thread

__all__ = ["Thread", "deliver", "say", "tell", "threads"]
