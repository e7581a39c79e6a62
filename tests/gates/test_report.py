from dataclasses import replace

from pressrun.config.pipeline import Gate
from pressrun.gates.conformance import example_evidence
from pressrun.gates.judge import judge, verdict_of
from pressrun.gates.report import to_html, worst_new_mistakes

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def test_the_report_stands_alone_and_holds_every_picture() -> None:
    evidence = example_evidence()
    page = to_html(verdict_of(judge(evidence, Gate()), Gate(), pipeline="topics"), evidence)
    for heading in ("Intervals", "F1 a topic", "Who is taken for whom", "As often right as it says", "New mistakes"):
        assert heading in page
    assert "prefers-color-scheme: dark" in page
    assert "<script" not in page
    assert "src=" not in page


def test_hostile_articles_and_links_stay_text() -> None:
    evidence = replace(example_evidence(), titles=(HOSTILE,) * 200, labels=("<b>", "<i>", "<u>"))
    verdict = verdict_of(judge(evidence, Gate()), Gate(), pipeline="topics")
    page = to_html(verdict, evidence, links={"MLflow": "http://localhost:5000", "evil": "javascript:alert(1)"})
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>, " not in page
    assert "javascript:" not in page
    assert "&lt;script&gt;" in page


def test_a_verdict_without_evidence_has_a_report_too() -> None:
    few = example_evidence(rows=20)
    assert "20 audited articles, 100 needed" in to_html(verdict_of(judge(few, Gate()), Gate(), pipeline="topics"))


def test_new_mistakes_are_those_the_champion_does_not_make() -> None:
    evidence = example_evidence()
    assert evidence.champion is not None
    new = sum((evidence.candidate.predicted != evidence.target) & (evidence.champion.predicted == evidence.target))
    assert len(worst_new_mistakes(evidence)) == min(12, new)
