"""The sample in SQL, in the dialect that DuckDB and Spark share.

Views: `articles` (all) and `pool` (those to draw from), each with article_id, source, section, title, body; `buckets`
and `topics` from the Arrow functions, `article_groups`; `quotas` (stratum, quota).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from pressrun.sampling.pairs import SMALL_BUCKET

Reason = Literal["new", "backlog"]


def distinct(view: str) -> str:
    """One row an article: two runs at once may both have added it."""
    return f"""
        SELECT article_id, source, section, title, body FROM (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY article_id ORDER BY title, body, source, section) AS copy
            FROM {view}
        ) AS numbered WHERE copy = 1
    """


def candidates(view: str) -> str:
    """The pairs of articles of the view that share a bucket, each with both texts: the rule of `pairs.candidates`."""
    return f"""
    WITH sized AS (
        SELECT article_id, bucket,
            COUNT(*) OVER (PARTITION BY bucket) AS size,
            MIN(article_id) OVER (PARTITION BY bucket) AS lead_id
        FROM buckets
    ),
    pairs AS (
        SELECT DISTINCT a.article_id AS one, b.article_id AS other
        FROM (SELECT * FROM sized WHERE size > 1 AND (size <= {SMALL_BUCKET} OR article_id = lead_id)) AS a
        JOIN sized AS b ON a.bucket = b.bucket
        WHERE a.article_id < b.article_id
    )
    SELECT one, other, x.title AS one_title, x.body AS one_body, y.title AS other_title, y.body AS other_body
    FROM pairs JOIN {view} AS x ON x.article_id = one JOIN {view} AS y ON y.article_id = other
"""


def representatives(strata: Sequence[str], salt: str) -> str:
    """One article a near-duplicate group of the pool, with its stratum, its draw and its group's size there."""
    parts = " || '|' || ".join(f"'{name}=' || COALESCE({name}, '')" for name in strata) or "'all'"
    return f"""
        SELECT article_id, group_id, group_size, {parts} AS stratum, draw FROM (
            SELECT p.article_id, p.source, p.section, t.predicted_topic, g.group_id, h.draw,
                COUNT(*) OVER (PARTITION BY g.group_id) AS group_size,
                ROW_NUMBER() OVER (PARTITION BY g.group_id ORDER BY h.draw, p.article_id) AS place
            FROM pool AS p
            JOIN topics AS t ON t.article_id = p.article_id
            JOIN article_groups AS g ON g.article_id = p.article_id
            JOIN (SELECT article_id, MD5({_key(salt)} || article_id) AS draw FROM pool) AS h
                ON h.article_id = p.article_id
        ) AS members WHERE place = 1
    """


SIZES = "SELECT stratum, COUNT(*) AS size FROM representatives GROUP BY stratum ORDER BY stratum"


def samples(*, step_key: str, reason: Reason) -> str:
    """The rows of the table `samples`: in each stratum those with the lowest draws."""
    return f"""
        SELECT
            MD5({_key(step_key)} || article_id) AS sample_id,
            article_id,
            stratum,
            CAST(quota AS DOUBLE) / CAST(size * group_size AS DOUBLE) AS inclusion_probability,
            '{reason}' AS reason,
            group_id
        FROM (
            SELECT r.*, q.quota,
                COUNT(*) OVER (PARTITION BY r.stratum) AS size,
                ROW_NUMBER() OVER (PARTITION BY r.stratum ORDER BY r.draw, r.article_id) AS place
            FROM representatives AS r JOIN quotas AS q ON q.stratum = r.stratum
        ) AS ranked
        WHERE place <= quota
        ORDER BY article_id
    """


def _key(value: str) -> str:
    """A literal that says `value` without its characters: the dialects read backslashes differently."""
    return "'" + hashlib.sha256(value.encode("utf-8")).hexdigest() + "'"
