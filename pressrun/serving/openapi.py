"""What this server answers, for machines (OpenAPI 3.1, the protocol's metadata) and for people (`/docs`)."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pressrun.serving.answering import described
from pressrun.serving.protocol import parameters
from pressrun.serving.reading import MAX_BATCH, MAX_COLUMN_ROWS, MAX_ID

if TYPE_CHECKING:
    from pressrun.serving.hosting import Hosted

Object = dict[str, Any]
_ID: Object = {"anyOf": [{"type": "string", "maxLength": MAX_ID}, {"type": "integer"}]}
_IDS: Object = {"anyOf": [*_ID["anyOf"], {"type": "array", "items": _ID}], "description": "one, or one a row"}
_NUMBERS = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL")
_BINARY = "application/octet-stream"
_EACH_SHOWN = 16
"""More columns than these are shown as one tensor only: an example of each by its name would fill the page."""
_REFUSED = {
    "400": "The request is not as this page says.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "The body has a Content-Encoding; it is read as it comes.",
    "429": "Too many requests wait, or answers cannot be logged: try again after Retry-After seconds.",
    "500": "The model could not answer; the server's log has the reason.",
    "504": "The deadline passed before the request's turn came; it was not scored.",
}


def metadata(hosted: Hosted) -> Object:
    """The protocol's model metadata, with labels and who answers beside."""
    who, manifest, labels = hosted.identity, hosted.bundle.manifest, hosted.bundle.labels
    return {
        "name": who.model,
        "versions": [who.version],
        "platform": "pressrun_bundle",
        "inputs": _inputs(manifest.input, len(manifest.columns or ())),
        "outputs": described(manifest.task, labels, _width(hosted)),
        "parameters": {
            **parameters(who),
            "task": manifest.task,
            **({"labels": list(labels)} if labels else {}),
            **({"columns": list(manifest.columns)} if manifest.columns else {}),
        },
    }


def document(models: Mapping[str, Hosted]) -> Object:
    """OpenAPI 3.1 of all that is served now."""
    paths: Object = {
        "/v2/health/live": _get("Whether the process lives", "200"),
        "/v2/health/ready": _get("Whether it takes requests", "200", "503"),
        "/v2": _get("The server's name and extensions", "200"),
        "/v2/models": _get("The models' names", "200"),
        "/metrics": _get("What it counts, for Prometheus", "200", kind="text/plain"),
    }
    for place, (name, one) in enumerate(models.items()):
        paths[f"/v2/models/{name}"] = _get(f"What {name} reads and answers", "200")
        paths[f"/v2/models/{name}/ready"] = _get(f"Whether {name} takes requests", "200", "503")
        paths[f"/v2/models/{name}/infer"] = {
            "post": _with_binary(_post(f"Scores rows with {name}", _infer_schema(one)))
        }
        paths[f"/predict/{name}"] = {"post": _post(f"Scores with {name}, for people", _plain_schema(one))}
        if place == 0:
            paths["/predict"] = {"post": _post(f"The same as /predict/{name}", _plain_schema(one))}
    return {"openapi": "3.1.0", "info": {"title": "Pressrun model server", "version": "2"}, "paths": paths}


def page(models: Mapping[str, Hosted]) -> bytes:
    """`/docs`: each model with a form to try it, and the whole document. Nothing comes from elsewhere."""
    parts = [_section(name, one) for name, one in models.items()]
    text = json.dumps(document(models), indent=2)
    return _PAGE.format(models="".join(parts), document=html.escape(text)).encode()


def _section(name: str, one: Hosted) -> str:
    who, manifest = one.identity, one.bundle.manifest
    facts = f"v{who.version}, {manifest.task}, digest {who.digest[:12]}, {who.arm}"
    labels = f"<p>Labels: {html.escape(', '.join(one.bundle.labels[:50]))}</p>" if one.bundle.labels else ""
    return _MODEL.format(
        name=html.escape(name), facts=html.escape(facts), labels=labels, plain=_textarea(_plain_example(one)),
        infer=_textarea(_infer_examples(one)[0]),
    )  # fmt: skip


def _textarea(content: Object) -> str:
    return html.escape(json.dumps(content))


def _inputs(kind: str, columns: int) -> list[Object]:
    if kind == "columns":
        return [{"name": "features", "datatype": "FP64", "shape": [-1, columns]}]
    names = ("query", "text") if kind == "text_pair" else ("title", "body")
    return [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in names]


def _width(hosted: Hosted) -> int:
    return len(hosted.bundle.labels) or int(getattr(hosted.bundle, "width", 1))


def _get(summary: str, *statuses: str, kind: str = "application/json") -> Object:
    content = {kind: {"schema": {"type": "object"} if kind == "application/json" else {"type": "string"}}}
    return {
        "get": {"summary": summary, "responses": {s: {"description": summary, "content": content} for s in statuses}}
    }


def _post(summary: str, schema: Object) -> Object:
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    refused = {s: {"description": d, "content": {"application/json": {"schema": error}}} for s, d in _REFUSED.items()}
    answered = {"description": "The answer", "content": {"application/json": {"schema": {"type": "object"}}}}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"summary": summary, "requestBody": body, "responses": {"200": answered, **refused}}


def _with_binary(post: Object) -> Object:
    """The protocol's extension: the JSON, then the bytes of the tensors that say binary_data_size, in their order."""
    length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Of a body with binary tensors: how many of its bytes are the JSON, which comes first.",
        "schema": {"type": "integer", "minimum": 0},
    }
    post["parameters"] = [length]
    post["requestBody"]["content"][_BINARY] = {"schema": {"type": "string", "format": "binary"}}
    post["responses"]["200"]["content"][_BINARY] = {}
    return post


def _infer_schema(one: Hosted) -> Object:
    given = {"article_id": _IDS, "impression_id": _IDS}
    timeout = {"type": "integer", "minimum": 0, "description": "microseconds"}
    wanted = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": [output["name"] for output in metadata(one)["outputs"]]},
            "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
        },
    }
    parameters = {**given, "timeout": timeout, "binary_data_output": {"type": "boolean"}}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": _ID,
            "inputs": _inputs_schema(one),
            "outputs": {"type": "array", "items": wanted, "description": "all without it"},
            "parameters": {"type": "object", "properties": parameters},
        },
        "examples": _infer_examples(one),
    }


def _inputs_schema(one: Hosted) -> Object:
    manifest = one.bundle.manifest
    if manifest.columns:
        wide = len(manifest.columns)
        whole = _tensor({"type": "string"}, MAX_COLUMN_ROWS * wide, f"[rows, {wide}]", numbers=True)
        each = _tensor({"enum": list(manifest.columns)}, MAX_COLUMN_ROWS, "[rows]", numbers=True)
        return {"anyOf": [_some(whole, 1, 1), _some(each, wide, wide)]}
    if manifest.input == "text_pair":
        return _some(_tensor({"enum": ["query", "text"]}, MAX_BATCH, "[rows]; of query also [1]"), 2, 2)
    text, parts = (_tensor({"enum": names}, MAX_BATCH, "[rows]") for names in (["text"], ["title", "body"]))
    return {"anyOf": [_some(text, 1, 1), _some(parts, 1, 2)]}


def _some(items: Object, least: int, most: int) -> Object:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _tensor(name: Object, most: int, shape: str, *, numbers: bool = False) -> Object:
    """An input with its data, flat or in rows, or with how many bytes behind the JSON are its own."""
    value: Object = {"type": ["number", "boolean"] if numbers else "string"}
    rows = {"type": "array", "items": value}
    size = {"type": "integer", "minimum": 0, "description": "its bytes behind the JSON, instead of data"}
    return {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": name,
            "datatype": {"enum": list(_NUMBERS) if numbers else ["BYTES"]},
            "shape": {**_some({"type": "integer", "minimum": 0}, 1, 2), "description": shape},
            "data": {"type": "array", "items": {"anyOf": [value, rows]}, "maxItems": most},
            "parameters": {"type": "object", "properties": {"binary_data_size": size}},
        },
        "anyOf": [
            {"required": ["data"]},
            {"required": ["parameters"], "properties": {"parameters": {"required": ["binary_data_size"]}}},
        ],
    }


def _plain_schema(one: Hosted) -> Object:
    manifest = one.bundle.manifest
    ids = {"id": _ID, "article_id": _ID, "impression_id": _ID}
    text = {"type": "string"}
    if manifest.columns:
        names = list(manifest.columns)
        numbers = {"properties": {name: {"type": "number"} for name in names}, "additionalProperties": False}
        given: Object = {"columns": {"type": "object", "required": names, **numbers}}
        rule: Object = {"required": ["columns"]}
    elif manifest.input == "text_pair":
        given = {"query": text, "texts": {"type": "array", "items": text, "minItems": 1, "maxItems": MAX_BATCH}}
        rule = {"required": ["query", "texts"]}
    else:
        given = {"title": text, "body": text, "text": text}
        rule = {
            "anyOf": [{"required": [name]} for name in given],
            "description": "title and body, or one of them, or text alone",
        }
    return {"type": "object", **rule, "properties": {**given, **ids}, "examples": [_plain_example(one)]}


def _infer_examples(one: Hosted) -> list[Object]:
    manifest = one.bundle.manifest
    if manifest.columns:
        wide = len(manifest.columns)
        whole = {"name": "features", "datatype": "FP64", "shape": [1, wide], "data": [0.0] * wide}
        each = [{"name": name, "datatype": "FP64", "shape": [1], "data": [0.0]} for name in manifest.columns]
        return [{"inputs": [whole]}, *([{"inputs": each}] if wide <= _EACH_SHOWN else [])]
    if manifest.input == "text_pair":
        return [_texts(query="interest rates", text="Markets rise")]
    return [_texts(text="Markets rise"), _texts(title="Markets rise", body="The central bank holds its rates.")]


def _texts(**given: str) -> Object:
    return {"inputs": [{"name": n, "datatype": "BYTES", "shape": [1], "data": [v]} for n, v in given.items()]}


def _plain_example(one: Hosted) -> Object:
    manifest = one.bundle.manifest
    if manifest.columns:
        return {"columns": dict.fromkeys(manifest.columns, 0.0)}
    if manifest.input == "text_pair":
        return {"query": "interest rates", "texts": ["Markets rise", "Extra time"]}
    return {"title": "Markets rise", "body": "The central bank holds its rates."}


_MODEL = """
<section><h2>{name}</h2><p>{facts}</p>{labels}
<h3>POST /predict/{name}</h3><form data-path="/predict/{name}"><textarea rows="3">{plain}</textarea>
<button>Try it</button><pre></pre></form>
<h3>POST /v2/models/{name}/infer</h3><form data-path="/v2/models/{name}/infer"><textarea rows="3">{infer}</textarea>
<button>Try it</button><pre></pre></form></section>"""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Pressrun model server</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:52rem;padding:0 1rem;color:#222}}
textarea{{width:100%;font:14px monospace;box-sizing:border-box;max-height:70vh}}
pre{{background:#f4f4f2;padding:.5rem;overflow:auto}}
pre:empty{{display:none}}button{{font:inherit}}h3{{font:600 15px monospace;margin-bottom:.2rem}}</style>
<h1>Pressrun model server</h1>
<p>It speaks the <a href="https://github.com/open-inference/open-inference-protocol">Open Inference Protocol v2</a>, in
JSON or with binary tensors. <a href="/openapi.json">openapi.json</a> · <a href="/metrics">metrics</a></p>{models}
<h2>OpenAPI</h2><details><summary>the whole document</summary><pre>{document}</pre></details>
<script>for (const area of document.querySelectorAll("textarea")) {{
  const grow = () => {{ area.style.height = "auto"; area.style.height = area.scrollHeight + 2 + "px"; }};
  area.oninput = grow;
  grow();
}}
for (const form of document.querySelectorAll("form")) form.onsubmit = async (event) => {{
  event.preventDefault();
  const shown = form.querySelector("pre");
  try {{
    const answer = await fetch(form.dataset.path, {{method: "POST", body: form.querySelector("textarea").value}});
    shown.textContent = answer.status + " " + JSON.stringify(await answer.json(), null, 2);
  }} catch (error) {{ shown.textContent = String(error); }}
}};</script></html>"""
