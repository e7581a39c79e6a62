"""What people did, what each arm counted, what the candidate said last, the rollouts before, and the whole story."""

from __future__ import annotations

from datetime import timedelta

from pressrun.rollout.page.html import Html, element, joined, table
from pressrun.rollout.page.scale import lasting
from pressrun.rollout.page.shown import Shown
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Event, Intent, LastWords, Outcome
from pressrun.verdict import Assertion

MOST_OUTCOMES, MOST_LINES = 20, 100
_LOUD = ("force", "abort")
_DID = {
    "pause": "paused it",
    "resume": "let it go on",
    "promote": "promoted it",
    "force": "FORCED it, whatever the checks say",
    "abort": "aborted it",
    "release": "let its bake end",
}


def people(shown: Shown) -> Html | None:
    """Who stepped in, when, and why."""
    rows = [_override(shown), *(_asked(intent) for intent in shown.intents)]
    found = [row for row in rows if row is not None]
    return joined(element("h2", "Who did what"), element("ul", *found, class_="lines")) if found else None


def _override(shown: Shown) -> Html | None:
    made = shown.plan.override if shown.plan else None
    if made is None:
        return None
    did = f"overrode the gate until {made.expiry:%Y-%m-%d %H:%M}: {made.reason}"
    return _line(f"{made.at:%H:%M:%S}", element("b", made.actor), f" {did}", class_="fail")


def _asked(intent: Intent) -> Html:
    loud = "fail" if intent.wish in _LOUD else None
    said = f" {_DID[intent.wish]}: {intent.reason}"
    return _line(f"{intent.at:%H:%M:%S}", element("b", intent.actor), said, class_=loud)


def counts(shown: Shown) -> Html:
    """Requests and errors of each arm as the router or the gateway counted them, and what was not counted."""
    traffic = shown.traffic
    known = {*traffic.requests, *traffic.errors}
    order = [arm for arm in (CANDIDATE, BASELINE, CHAMPION) if arm in known]
    rows = [_arm(shown, arm) for arm in [*order, *sorted(known - {*order})]]
    said = f"{traffic.retried:,} asked again of another arm, {traffic.lost:,} lost, {traffic.pairs:,} pairs compared"
    head = ("arm", "requests", "errors", "share of errors")
    return joined(element("h2", "Requests"), table(head, rows) if rows else None, element("p", said), _windows(shown))


def _arm(shown: Shown, arm: str) -> Html:
    requests, errors = shown.traffic.requests.get(arm, 0), shown.traffic.errors.get(arm, 0)
    version = shown.version if arm == CANDIDATE else shown.against
    share = f"{errors / requests:.2%}" if requests else "–"
    return _row(f"{arm} v{version}" if version else arm, f"{requests:,}", f"{errors:,}", share)


def _windows(shown: Shown) -> Html | None:
    """What was taken as evidence, and what was not."""
    if shown.evidence is None:
        return None
    left_out = {name: getattr(shown.evidence, name) for name in ("missing", "stale", "reset")}
    said = ", ".join(f"{count} {name}" for name, count in left_out.items() if count)
    apart = f"; {shown.evidence.apart} against earlier traffic of the champion" if shown.evidence.apart else ""
    word = "insufficient" if said else None
    used = f"{shown.evidence.total.windows:,} windows are evidence{apart}; "
    return element("p", used, element("span", f"left out: {said or 'none'}", class_=word))


def hard_checks(shown: Shown) -> Html | None:
    """The checks that need no statistics."""
    checks = [check for check in shown.checks if isinstance(check, Assertion)]
    if shown.outcome or not checks:
        return None
    rows = [
        _row(
            check.metric.replace("_", " "),
            element("b", check.decision.value, class_=check.decision.value),
            check.reason,
        )
        for check in checks
    ]
    return joined(element("h2", "Other checks"), table(("check", "decision", "why"), rows))


def last_words(words: tuple[LastWords, ...]) -> Html | None:
    """What the candidate's servers said before they were removed, and what the cluster noted; folded."""
    told = [one for one in words if one.log or one.events]
    if not told:
        return None
    return joined(element("h2", "The candidate’s last words"), *(_server(one) for one in told))


def _server(one: LastWords) -> Html:
    said = element("summary", f"{one.server}: {len(one.log)} log lines, {len(one.events)} events")
    events = element("pre", "\n".join(one.events)) if one.events else None
    log = element("pre", "\n".join(one.log)) if one.log else None
    return element("details", said, events, log)


def past_rollouts(outcomes: tuple[Outcome, ...]) -> Html | None:
    """The newest first."""
    if not outcomes:
        return None
    head = ("rollout", "version", "ended, UTC", "end", "verdict", "took", "requests of it")
    rows = [_outcome(outcome) for outcome in reversed(outcomes[-MOST_OUTCOMES:])]
    return joined(element("h2", "Rollouts so far"), table(head, rows))


def _outcome(outcome: Outcome) -> Html:
    verdict, word = outcome.verdict, outcome.verdict.decision.value
    end = outcome.phase.value.replace("_", " ") + (", aborted" if outcome.aborted else "")
    return _row(
        str(outcome.generation),
        f"v{verdict.model_version or '?'}",
        f"{outcome.at:%Y-%m-%d %H:%M:%S}",
        end,
        element("b", word, class_=word),
        lasting(timedelta(seconds=outcome.seconds)),
        f"{outcome.traffic.requests.get(CANDIDATE, 0):,}",
    )


def story(history: tuple[Event, ...], *, folded: bool) -> Html:
    """Every line of it, the newest first."""
    rows = [_told(event) for event in reversed(history[-MOST_LINES:])]
    told = element("summary", f"{len(rows)} lines")
    lines = element("ul", *rows, class_="lines")
    return joined(element("h2", "The whole story"), element("details", told, lines, open=None if folded else "open"))


def _told(event: Event) -> Html:
    return _line(f"{event.at:%H:%M:%S}", element("small", f"{event.generation} {event.kind} "), event.text)


def _line(at: str, *said: str, class_: str | None = None) -> Html:
    return element("li", element("time", at), element("span", *said), class_=class_)


def _row(*cells: str) -> Html:
    return element("tr", *(element("td", cell) for cell in cells))
