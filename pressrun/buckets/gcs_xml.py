"""What Google's XML API answers: documents, headers and errors, from what the JSON API says of an object.

Documented at https://cloud.google.com/storage/docs/xml-api/reference-status and .../reference-headers.
"""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

_CODES = {400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}
_NAMESPACE = 'xmlns="http://doc.s3.amazonaws.com/2006-03-01"'


class Answer:
    """A status, headers and a body."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.status, self.headers, self.body = status, headers or {}, body


def contents(bucket: str, query: dict[str, str], page: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """The inside of a ListBucketResult: `page` is the JSON API's, `items` those of its objects that are asked for."""
    entries = "".join(
        f"<Contents><Key>{escape(item['name'])}</Key><Generation>{item['generation']}</Generation>"
        f"<LastModified>{item['updated']}</LastModified><ETag>{escape(etag_of(item))}</ETag>"
        f"<Size>{item['size']}</Size></Contents>"
        for item in items
    )
    folders = page.get("prefixes", [])
    common = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
    token = page.get("nextPageToken", "")
    following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    return (
        f"<Name>{escape(bucket)}</Name><Prefix>{escape(query.get('prefix', ''))}</Prefix>"
        f"<KeyCount>{len(items) + len(folders)}</KeyCount><IsTruncated>{str(bool(token)).lower()}</IsTruncated>"
        f"{following}{entries}{common}"
    )


def headers_of(about: dict[str, Any]) -> dict[str, str]:
    """The headers that name an object's state."""
    changed = format_datetime(datetime.fromisoformat(about["updated"]), usegmt=True)
    return {
        "ETag": etag_of(about),
        "Last-Modified": changed,
        "x-goog-generation": str(about["generation"]),
        "x-goog-metageneration": str(about.get("metageneration", "1")),
    }


def etag_of(about: dict[str, Any]) -> str:
    """Its entity tag, in quotes."""
    return '"' + str(about["etag"]).strip('"') + '"'


def refused(answer: Answer) -> Answer:
    """The JSON API's error as the XML API's."""
    try:
        reason = str(json.loads(answer.body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = answer.body.decode(errors="replace")
    return error(answer.status, reason)


def error(status: int, message: str, code: str = "") -> Answer:
    """An error document; `code` by default the status's own."""
    code = code or _CODES.get(status, "InternalError")
    return document("Error", f"<Code>{code}</Code><Message>{escape(message)}</Message>", status=status, namespace="")


def document(
    root: str, told: str, *, status: int = 200, headers: dict[str, str] | None = None, namespace: str = _NAMESPACE
) -> Answer:
    """An XML document with that root."""
    opening = f"{root} {namespace}".strip()
    body = f"<?xml version='1.0' encoding='UTF-8'?><{opening}>{told}</{root}>"
    return Answer(status, {**(headers or {}), "Content-Type": "application/xml; charset=UTF-8"}, body.encode())
