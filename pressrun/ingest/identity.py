"""Which article is it: by its canonical URL, else by its words."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_TRACKING = re.compile(
    r"^(utm_.*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|mc_cid|mc_eid|_hsenc|_hsmi|ito|cmpid|smid|ref_src)$",
    re.IGNORECASE,
)
# Most addresses are in that spelling already, and telling so is ten times as fast as taking them apart.
_CANONICAL = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)*(/[\w.~%!$&'()*+,=:@-]+)*", re.ASCII)
_PORTS = {"http": 80, "https": 443}


def canonical_url(url: str) -> str | None:
    """The one spelling of a URL: https, host in lower case, no default port, fragment, tracking or trailing slash.

    None for what is no http URL with a host.
    """
    return url if _CANONICAL.fullmatch(url) else _respelt(url)


def _respelt(url: str) -> str | None:
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        return None
    place = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    query = sorted((k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(k))
    # An http and an https address of one host are one article.
    return urlunsplit(("https", place, parts.path.rstrip("/"), urlencode(query), ""))


def article_id(*, url: str | None, title: str, body: str) -> str:
    """32 hex digits from the canonical URL, or where there is none from the normalised words."""
    canonical = canonical_url(url) if url else None
    return _hash(f"url:{canonical}") if canonical else _hash(f"text:{content_key(title, body)}")


def content_key(title: str, body: str) -> str:
    """The words of an article: case, accents' encoding and white space do not count."""
    return "\n".join(" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in (title, body))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
