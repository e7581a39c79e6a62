"""What Slack, or the terminal where there is no Slack, has been told since the last look."""

from __future__ import annotations

from dataclasses import dataclass, field

from pressrun.alerts import threads
from pressrun.alerts.render import plain
from pressrun.config.environment import Environment


@dataclass(kw_only=True)
class Messages:
    """The first messages of one model's threads; each is news when it has changed."""

    environment: Environment
    model: str
    _seen: dict[str, int] = field(default_factory=dict)

    def new(self) -> list[str]:
        """`#news-ml ▸ topics v3 · stopped at the gate`, the oldest change first."""
        changed = []
        for thread, _ in reversed(threads(self.environment, self.model)):
            if thread.revision > self._seen.get(thread.thread, 0):
                self._seen[thread.thread] = thread.revision
                changed.append(f"{thread.channel or thread.pipeline} ▸ {' · '.join(plain(thread.text).splitlines())}")
        return changed
