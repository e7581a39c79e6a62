"""Who is measured: how each server is started and asked. Their configurations are in serving_peers/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving_models import Floats, scores_of

OURS = "pressrun"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A request's body is `before`, one input as JSON, `after`; `read` finds the numbers in the answer."""

    path: str
    before: str
    after: str
    read: Callable[[Any], Any]

    def body(self, input: str) -> str:
        return f"{self.before}{input}{self.after}"

    def scores(self, answer: Any) -> Floats:
        return scores_of(self.read(answer))


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`command` starts it; `variables` are its environment's, beside those of every server.

    Both hold places: {programs} of its environment, {store} with the model, {files} of serving_peers, {kind} of model,
    {host}, {port}, {second_port} and {third_port}.
    """

    name: str
    command: str
    wires: Mapping[str, Wire]
    variables: Mapping[str, str] = field(default_factory=dict)


def _v2(kind: str, datatype: str, shape: str, name: str, *, flat: bool, output: int) -> Wire:
    before, after = ("", "") if flat else ("[", "]")
    return Wire(
        path=f"/v2/models/{kind}/infer",
        before=f'{{"inputs":[{{"name":"{name}","datatype":"{datatype}","shape":{shape},"data":{before}',
        after=f"{after}}}]}}",
        read=lambda answer: answer["outputs"][output]["data"],
    )


def _plain(path: str, key: str, *, batch: bool, read: Callable[[Any], Any]) -> Wire:
    opened, closed = ("[", "]") if batch else ("", "")
    return Wire(path=path, before=f'{{"{key}":{opened}', after=f"{closed}}}", read=read)


def _texts(path: str, key: str, *, batch: bool, read: Callable[[Any], Any]) -> dict[str, Wire]:
    return {kind: _plain(path, key, batch=batch, read=read) for kind in ("text", "transformer")}


def _scores(answer: Any) -> Any:
    return answer["scores"]


def _itself(answer: Any) -> Any:
    return answer


_PREDICTIONS = _plain("/invocations", "inputs", batch=True, read=lambda answer: answer["predictions"])

ALL = {
    peer.name: peer
    for peer in (
        Peer(
            name=OURS,
            command="{programs}/python -m pressrun.serving {store} --host {host} --port {port} --model {kind}"
            " --version 1 --cached 0",
            wires={
                "gbdt": _v2("gbdt", "FP64", "[1,64]", "features", flat=True, output=0),
                "text": _v2("text", "BYTES", "[1]", "text", flat=False, output=1),
                "transformer": _v2("transformer", "BYTES", "[1]", "text", flat=False, output=1),
            },
        ),
        Peer(
            name="mosec",
            command="{programs}/python {files}/serve.py --address {host} --port {port}",
            wires={
                "gbdt": _plain("/inference", "features", batch=False, read=_scores),
                **_texts("/inference", "text", batch=False, read=_scores),
            },
        ),
        Peer(
            name="mlflow",
            command="{programs}/mlflow models serve --model-uri {store} --host {host} --port {port}"
            " --env-manager local --workers 1",
            wires={"gbdt": _PREDICTIONS, "text": _PREDICTIONS, "transformer": _PREDICTIONS},
        ),
        Peer(
            name="mlserver",
            command="{programs}/mlserver start {store}",
            variables={
                "MLSERVER_HTTP_PORT": "{port}",
                "MLSERVER_GRPC_PORT": "{second_port}",
                "MLSERVER_METRICS_PORT": "{third_port}",
                "MLSERVER_METRICS_DIR": "{store}/metrics",
            },
            wires={
                "gbdt": _v2("gbdt", "FP64", "[1,64]", "features", flat=True, output=0),
                "text": _v2("text", "BYTES", "[1]", "text", flat=False, output=0),
                "transformer": _v2("transformer", "BYTES", "[1]", "text", flat=False, output=0),
            },
        ),
        Peer(
            name="bentoml",
            command="{programs}/bentoml serve service:svc --working-dir {files} --host {host} --port {port}",
            variables={"BENTOML_HOME": "{store}", "BENTOML_DO_NOT_TRACK": "True"},
            wires={
                "gbdt": _plain("/predict", "features", batch=True, read=_itself),
                **_texts("/predict", "texts", batch=True, read=_itself),
            },
        ),
        Peer(
            name="fastapi",
            command="{programs}/uvicorn serve:app --app-dir {files} --host {host} --port {port} --no-access-log",
            wires={
                "gbdt": _plain("/predict", "features", batch=True, read=_scores),
                **_texts("/predict", "texts", batch=True, read=_scores),
            },
        ),
    )
}
