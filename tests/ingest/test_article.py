"""Rows to articles: identity, provenance, dates, and what no article is."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.ingest.article import Article, parse_article
from pressrun.ingest.dates import parse_time
from pressrun.ingest.identity import article_id, canonical_url
from pressrun.ingest.language import detect
from pressrun.ingest.rows import RawRow, Refused


def parse(**values: object) -> Article | Refused:
    return parse_article(RawRow(line=1, values=values), max_bytes=1000)


@pytest.mark.parametrize(
    "url",
    [
        "https://News.Example/a/b",
        "http://news.example:80/a/b/",
        "https://news.example/a/b?utm_source=x&fbclid=y#top",
        " HTTPS://news.example:443/a/b ",
    ],
)
def test_one_article_has_one_url(url: str) -> None:
    assert canonical_url(url) == "https://news.example/a/b"


@pytest.mark.parametrize(
    "url", ["", "mailto:a@b.c", "https://", "http://[bad", "javascript:alert(1)", "http://h:99999/"]
)
def test_what_is_no_web_address_is_none(url: str) -> None:
    assert canonical_url(url) is None


def test_a_query_that_names_the_article_stays() -> None:
    assert canonical_url("https://h.example/?b=2&a=1") == "https://h.example?a=1&b=2"


def test_without_a_url_the_words_decide() -> None:
    one = article_id(url=None, title="A  Title", body="the\nbody")
    assert one == article_id(url="nonsense", title="a title", body="The body")
    assert one != article_id(url=None, title="a titlet", body="he body")


def test_provenance_says_given_assumed_or_synthetic() -> None:
    given = parse(title="x", source="AP", published_at="2024-01-02", url="https://h.example/a")
    assumed = parse(title="x", url="https://www.h.example/a")
    synthetic = parse(title="x", section="world", synthetic=True)
    assert isinstance(given, Article)
    assert isinstance(assumed, Article)
    assert isinstance(synthetic, Article)
    assert (given.source_provenance, given.published_at_provenance, given.section_provenance) == (
        "given",
        "given",
        None,
    )
    assert (assumed.source, assumed.source_provenance) == ("h.example", "assumed")
    assert synthetic.section_provenance == "synthetic"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"title": " ", "body": None}, "neither a title nor a body"),
        ({"title": "x" * 1001}, "1,001 bytes"),
        ({"title": "x", "published_at": "soon"}, "published_at is no time: 'soon'"),
        ({"title": "x", "published_at": "0001-01-01"}, "published_at is no time"),
        ({"title": "x\x00y"}, "control character U\\+0000"),
        ({"title": "\ud800"}, "lone surrogate"),
        ({"title": ["x"]}, "title is a list"),
        ({"title": "x", "label": "y" * 501}, "label is longer than 500"),
    ],
)
def test_bad_rows_are_refused_with_a_reason(values: dict[str, object], reason: str) -> None:
    refused = parse(**values)
    assert isinstance(refused, Refused)
    assert re.search(reason, refused.reason)


@pytest.mark.parametrize(
    "raw",
    ["2024-03-01T12:00:00Z", "2024-03-01 13:00+01:00", "Fri, 01 Mar 2024 12:00:00 GMT", 1709294400, "1709294400000"],
)
def test_times_of_every_spelling_are_utc(raw: object) -> None:
    assert parse_time(raw) == datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The president of the country said that he was on the way", "en"),
        ("Der Präsident sagte, dass die Wahl nicht von der Regierung abhängt", "de"),
        ("Le président a dit que les élections sont dans le pays", "fr"),
        ("El presidente dijo que las elecciones son en el país", "es"),
        ("Президент сказал, что выборы не зависят от него", "ru"),
        ("首相は選挙について話した", "ja"),
        ("총리가 선거에 대해 말했다", "ko"),
        ("12345", "und"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert detect(text) == language


@given(
    path=st.from_regex(re.compile(r"(/[\w.~%!$&'()*+,=:@-]+)*", re.ASCII), fullmatch=True),
    host=st.from_regex(re.compile(r"[a-z0-9-]+(\.[a-z]+)*"), fullmatch=True),
)
def test_a_url_that_is_canonical_already_stays_as_it_is(path: str, host: str) -> None:
    url = f"https://{host}{path}"
    assert canonical_url(url) == canonical_url(f"{url}#")
