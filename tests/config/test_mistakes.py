"""Mistakes that people make in config files: each is told with file, line, key and remedy."""

from __future__ import annotations

import re

import pytest

from tests.config.conftest import PIPELINE, TAXONOMY, Project

MISTAKES = {
    "a percentage": (
        "share: 0.05",
        "share: 5",
        "label.audit.share is 5; it is a share between 0 and 1. Did you mean 0.05?",
    ),
    "a percentage with its sign": ("share: 0.05", "share: 5%", 'label.audit.share is "5%"; * Did you mean 0.05?'),
    "a percentage in a mapping": ("floors: {macro_f1: 0.75}", "floors: {macro_f1: 75}", "* Did you mean 0.75?"),
    "a share in words": ("share: 0.05", "share: few", "label.audit.share *, for example 0.05."),
    "no value for a share": ("share: 0.05", "share:", "label.audit.share is null; *, for example 0.05."),
    "an unknown key": ("drift:", "drfit:", "drfit is a mapping; there is no such key. Did you mean drift?"),
    "an unknown key further in": (
        "bake: 30m",
        "bakes: 30m",
        "rollout.bakes *; there is no such key. Did you mean bake?",
    ),
    "a key like no other": ("alerts:", "zebra: 1\nalerts:", "zebra is 1; there is no such key; known here: model, *"),
    "text for a number": ("rows: 1200", "rows: many", 'sample.rows is "many"; it must be a whole number.'),
    "a list for a number": ("rows: 1200", "rows: [1]", "sample.rows is a list; it must be a whole number."),
    "true for a number": ("rows: 1200", "rows: true", "sample.rows is true; it must be a number."),
    "a number too small": ("rows: 1200", "rows: 0", "sample.rows is 0; it must be greater than 0."),
    "one for a list": (
        "families: [svm, lightgbm]",
        "families: svm",
        'train.families is "svm"; it must be a list. Did you mean [svm]?',
    ),
    "a section without its keys": (
        "rollout:\n  steps: [5, 25, 50, 100]\n  bake: 30m",
        "rollout:",
        "rollout is null; it must be a mapping of keys; without the key its default holds.",
    ),
    "words for yes or no": ("header: false", "header: nope", "articles.read.header *; it must be true or false."),
    "a taxonomy that is not there": (
        "taxonomy: config/taxonomies/news-topics.yaml",
        "taxonomy: config/taxonomies/news-topic.yaml",
        "label.taxonomy *; there is no such file * Did you mean config/taxonomies/news-topics.yaml?",
    ),
    "an unknown labeler": (
        "    - {labeler: static, accept_above: 0.80}",
        "    - {labeler: statik}",
        'label.chain[0].labeler is "statik"; it must be one of * Did you mean static?',
    ),
    "people before machines": (
        "    - {labeler: static, accept_above: 0.80}",
        "    - {labeler: people}",
        'label.chain[0].labeler is "people"; people come last, *; move it to the end.',
    ),
    "a cron field too few": (
        '"0 2 * * *"',
        '"0 2 * *"',
        'schedule is "0 2 * *"; * write five cron fields, for example *',
    ),
    "a cron field out of range": ('"0 2 * * *"', '"0 25 * * *"', "schedule *; hour 25 is not between 0 and 23."),
    "a weekday that is none": ('"0 2 * * *"', '"0 2 * * FUN"', "schedule *; weekday FUN is not * SUN to SAT."),
    "a preset misspelt": ('"0 2 * * *"', '"@dayly"', 'schedule is "@dayly"; * Did you mean @daily?'),
    "a duration in words": ("every: 1h", "every: 1 hour", 'drift.every is "1 hour"; * Did you mean 1h?'),
    "a duration without a unit": ("every: 1h", "every: 60", "drift.every is 60; * Did you mean 60m or 60h?"),
    "a duration that is none": ("every: 1h", "every: often", 'drift.every is "often"; it is no duration; write *'),
    "an interval of nothing": ("every: 1h", "every: 0", "drift.every is 0; it must be longer than nothing, *"),
    "a time of day as a number": ('fresh_by: "06:00"', "fresh_by: 6", 'fresh_by is 6; * Did you mean "06:00"?'),
    "a column that is no field": (
        "columns: [label, title, body]",
        "columns: [label, titel, body]",
        'articles.read.columns[1] is "titel"; it must be one of * Did you mean title?',
    ),
    "a column twice": (
        "columns: [label, title, body]",
        "columns: [label, title, title]",
        'articles.read.columns[2] is "title"; it is listed before; write null for a column to skip.',
    ),
    "columns by name without a header": (
        "columns: [label, title, body]",
        "columns: {title: headline}",
        "articles.read.columns *; without a header it is a list *, for example [label, title, body].",
    ),
    "a metric that is none": (
        "floors: {macro_f1: 0.75}",
        "floors: {macrof1: 0.75}",
        "gate.floors.macrof1 is 0.75; there is no metric macrof1; * Did you mean macro_f1?",
    ),
    "a metric of no topic": (
        "floors: {macro_f1: 0.75}",
        'floors: {"f1:Sprts": 0.75}',
        "gate.floors.f1:Sprts *; the taxonomy has no topic Sprts. Did you mean f1:Sports?",
    ),
    "own code that cannot be imported": (
        "families: [svm, lightgbm]",
        "families: [{uses: 'nowhere.mod:X', name: x}]",
        'train.families[0].uses is "nowhere.mod:X"; nowhere.mod cannot be imported *; install it, or put *',
    ),
    "own code that has no such name": (
        "families: [svm, lightgbm]",
        "families: [{uses: 'collections:OrderdDict', name: x}]",
        "train.families[0].uses *; collections has no OrderdDict. Did you mean OrderedDict?",
    ),
    "own code named with a point": (
        "families: [svm, lightgbm]",
        "families: [{uses: my.code.Family, name: x}]",
        "train.families[0].uses *; your own code is named as * Did you mean my.code:Family?",
    ),
    "a channel taken for a comment": (
        'slack: "#news-ml"',
        "slack: #news-ml",
        'alerts.slack is null; to YAML # begins a comment; * Did you mean "#news-ml"?',
    ),
    "a key given twice": (
        "  rows: 1200",
        "  rows: 1200\n  rows: 5",
        f"sample.rows is given twice, first on line 14 of {PIPELINE}; keep one.",
    ),
    "a list never closed": (
        "strata: [source, section, predicted_topic]",
        "strata: [source, section",
        "* the [ here is *",
    ),
    "a quote never closed": ('slack: "#news-ml"', 'slack: "#news-ml', "* the quote here is never closed*"),
    "a tab": ("  rows: 1200", "\trows: 1200", "is no valid YAML: a tab stands here; YAML is indented with spaces *"),
    "a colon in a text": ("description: Which", "description: Note: which", "* put the text in quotes *"),
    "a line indented too far": (
        "  audit: {share",
        "   audit: {share",
        "* this line is indented unlike those around it *",
    ),
}
# Told at the key itself, which stands on the line after the one that was repeated.
LINE_AFTER = {"a key given twice"}


def told(pattern: str, message: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), message) is not None


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_by_file_line_key_and_remedy(project: Project, mistake: str) -> None:
    old, new, wanted = MISTAKES[mistake]
    line = project.spoil(old, new) + (mistake in LINE_AFTER)
    (message,) = project.check()
    assert message.startswith(f"{PIPELINE}:{line}: ")
    assert told(wanted, message.removeprefix(f"{PIPELINE}:{line}: ")), message


def test_a_required_key_misspelt_is_told_as_missing_and_as_unknown(project: Project) -> None:
    line = project.spoil("  taxonomy:", "  taxonmy:")
    missing, unknown = project.check()
    assert missing.endswith(": label.taxonomy is missing; it is required (taxonmy was given).")
    assert unknown.startswith(f"{PIPELINE}:{line}: label.taxonmy is ")
    assert unknown.endswith("Did you mean taxonomy?")


def test_a_topic_given_twice_is_told_in_the_taxonomys_own_file(project: Project) -> None:
    line = project.spoil("name: Sports", "name: World", file=TAXONOMY)
    (message,) = project.check()
    said, remedy = "topics[0] has it already", "names and codes tell topics apart, so change one"
    assert message == f'{TAXONOMY}:{line}: topics[1].name is "World"; {said}; {remedy}.'


def test_a_code_of_two_topics_is_told(project: Project) -> None:
    line = project.spoil('codes: ["2"]', 'codes: ["1"]', file=TAXONOMY)
    (message,) = project.check()
    assert message.startswith(f'{TAXONOMY}:{line}: topics[1].codes[0] is "1"; topics[0] has it already;')


def test_a_number_where_text_belongs_is_put_in_quotes(project: Project) -> None:
    line = project.spoil('version: "1"', "version: 1", file=TAXONOMY)
    assert project.check() == [f"{TAXONOMY}:{line}: version is 1; it must be text: put it in quotes."]


def test_an_unknown_environment_is_told_with_who_named_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSRUN_ENVIRONMENT", "stagin")
    (message,) = project.check()
    assert message.startswith('PRESSRUN_ENVIRONMENT is "stagin"; there is no stagin.yaml in config/environments;')
    there = "aws, gcp, gcs, kubernetes, laptop, production, s3, staging"
    assert message.endswith(f"there are: {there}. Did you mean staging?")


@pytest.mark.parametrize(("content", "said"), [("1/0\n", "ZeroDivisionError"), ("def (\n", "SyntaxError")])
def test_own_code_that_fails_when_imported_is_a_problem_of_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    module = f"own_{said.lower()}"
    (project.folder / f"{module}.py").write_text(content)
    monkeypatch.syspath_prepend(project.folder)
    line = project.spoil("- {labeler: static, accept_above: 0.80}", f"- {{uses: '{module}:X'}}")
    (message,) = project.check()
    assert message.startswith(f'{PIPELINE}:{line}: label.chain[0].uses is "{module}:X"; {module} fails when it is')
    assert said in message
