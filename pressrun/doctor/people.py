"""Who labels and who is told: Slack, and the services of LLM labelers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from pressrun.alerts.delivery import TOKEN
from pressrun.config.environment import Environment
from pressrun.config.pipeline import LabelerSpec, Pipeline
from pressrun.doctor.found import Found, bad, doubt, good, skipped

# What posting, editing and searching a channel's history need.
SCOPES = ("chat:write", "channels:history")
_HISTORY = ("channels:history", "groups:history")
_SECONDS = 10


def look_at_slack(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    channels = sorted({pipeline.alerts.slack for pipeline in pipelines if pipeline.alerts.slack})
    if not channels:
        yield skipped("slack", "Slack", "no pipeline names a channel")
        return
    token = os.environ.get(TOKEN)
    if not token:
        what = f"{', '.join(channels)} are named, and there is no token"
        if environment.slack == "required":
            yield bad("slack", "Slack", what, remedy=f"put a bot's token into {TOKEN}; until then messages wait")
        else:
            shown = "until then messages go to the terminal alone, as slack: optional says"
            yield doubt("slack", "Slack", what, remedy=f"put a bot's token into {TOKEN}; {shown}")
        return
    base = f"{environment.slack_url.rstrip('/')}/" if environment.slack_url else WebClient.BASE_URL
    yield _slack(WebClient(token=token, base_url=base, timeout=_SECONDS))


def _slack(client: WebClient) -> Found:
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        why = str(error.response.get("error"))
        remedy = f"put the token of a bot of this workspace into {TOKEN}"
        return bad("slack", "Slack", f"the token is refused: {why}", remedy=remedy)
    except OSError as error:
        return bad("slack", "Slack", f"it does not answer: {error}", remedy="open the way to slack.com, or its proxy")
    granted = str(answer.headers.get("x-oauth-scopes") or "")
    missing = [scope for scope in SCOPES if granted and not _has(granted, scope)]
    if missing:
        remedy = f"give the bot {', '.join(missing)} and install it again"
        return bad("slack", "Slack", f"{answer['user']} of {answer['team']} lacks {', '.join(missing)}", remedy=remedy)
    return good("slack", "Slack", f"signed in as {answer['user']} of {answer['team']}; invite it to the channels")


def _has(granted: str, scope: str) -> bool:
    there = {each.strip() for each in granted.split(",")}
    return bool(there & (set(_HISTORY) if scope in _HISTORY else {scope}))


def look_at_labelers(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    specs = [(p.model, spec) for p in pipelines for spec in p.label.chain if spec.labeler == "llm"]
    if not specs:
        yield skipped("labelers", "LLMs", "no pipeline labels by one")
    for model, spec in specs:
        yield _labeler(model, spec)


def _labeler(model: str, spec: LabelerSpec) -> Found:
    """Makes the client, which looks for its key; a server of one's own is asked for its models. Nothing is paid."""
    named = f"{spec.model} of {model}"
    if spec.base_url:
        return _own(named, spec.base_url)
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    try:
        infer_model(str(spec.model))
    except (UserError, ValueError, ImportError) as error:
        return bad("labelers", named, str(error).splitlines()[0][:300], remedy="set what it names in the environment")
    return good("labelers", named, "its key is there; whether it is valid shows with the first article")


def _own(named: str, base_url: str) -> Found:
    import httpx

    try:
        httpx.get(f"{base_url.rstrip('/')}/models", timeout=_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        remedy = "start the server, or mend base_url of the labeler"
        return bad("labelers", named, f"{base_url} does not answer ({type(error).__name__})", remedy=remedy)
    return good("labelers", named, f"{base_url} answers")
