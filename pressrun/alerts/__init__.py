"""Tells people: an outbox in front of Slack, or of the terminal where there is no Slack."""

from pressrun.alerts.tell import Thread, deliver, say, tell, threads

__all__ = ["Thread", "deliver", "say", "tell", "threads"]
