"""Config files as people write them, right and wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pressrun.config.load import load_environment, load_pipeline, load_taxonomy
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError

TOPICS = """\
model: topics
owner: news-ml
label:
  taxonomy: config/taxonomies/news-topics.yaml
  chain:
    - {labeler: static}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "topics.yaml"
    file.write_text(text)
    return file


def problems(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_pipeline(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_the_pipeline_that_ships_names_a_taxonomy_of_four_topics(pipeline: Pipeline) -> None:
    assert load_taxonomy(pipeline).names == ("World", "Sports", "Business", "Sci/Tech")
    assert load_taxonomy(pipeline).resolve("4") == "Sci/Tech"


def test_a_pipeline_survives_json(pipeline: Pipeline) -> None:
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline


def test_a_share_given_as_a_percentage_is_told_with_line_key_and_remedy(tmp_path: Path) -> None:
    assert problems(tmp_path, TOPICS + "  audit:\n    share: 5\n") == [
        "8: label.audit.share is 5; it is a share between 0 and 1. Did you mean 0.05?"
    ]


def test_every_problem_of_a_file_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = TOPICS.replace("static", "statc") + "train: {families: [svn]}\ndrfit: {}\nrollout: {steps: [50, 5]}\n"
    assert problems(tmp_path, text) == [
        '6: label.chain[0].labeler is "statc"; it must be one of static, llm, people, given. Did you mean static?',
        '7: train.families[0] is "svn"; it must be one of svm, lightgbm. Did you mean svm?',
        "8: drfit is a mapping; there is no such key. Did you mean drift?",
        "9: rollout.steps is a list; steps must rise and end with 100, got [50, 5].",
    ]


def test_a_missing_key_is_told_with_the_one_that_was_probably_meant(tmp_path: Path) -> None:
    assert "1: model is missing; it is required (modle was given)." in problems(
        tmp_path, TOPICS.replace("model:", "modle:")
    )


def test_a_duration_needs_a_unit(tmp_path: Path) -> None:
    assert problems(tmp_path, TOPICS + "drift: {every: 1}\n") == [
        "7: drift.every is 1; a duration needs a unit. Did you mean 1m or 1h?"
    ]
    assert load_pipeline(written(tmp_path, TOPICS + "drift: {every: 1h30m}\n")).drift.every == timedelta(minutes=90)


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, TOPICS + "owner: me\n")
    assert problem.startswith("7: owner is given twice, first on line 2")


@pytest.mark.parametrize("value", ["!!python/object/apply:os.system ['true']", "!include secrets.yaml", "!!str x"])
def test_tags_are_refused(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, TOPICS + f"description: {value}\n")
    assert problem.startswith("7: the YAML tag ")


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    (problem,) = problems(tmp_path, bomb)
    assert "holds more than 20,000 values" in problem


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "a: &a [*a]\n")
    assert "40 levels" in problem


@pytest.mark.parametrize("text", ["", "just words", "a: [1", "- a\n- b\n", "a: \x00b"])
def test_what_is_no_mapping_is_one_problem(tmp_path: Path, text: str) -> None:
    assert len(problems(tmp_path, text)) == 1


def test_hours_and_words_stay_text(tmp_path: Path) -> None:
    loaded = load_pipeline(written(tmp_path, TOPICS + "fresh_by: 12:30\ndescription: no\n"))
    assert f"{loaded.fresh_by:%H:%M}" == "12:30"
    assert loaded.description == "no"


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"there are: .*topics.* Did you mean topics\?"):
        load_pipeline("topcis")


def test_the_laptop_keeps_everything_below_home(home: Path) -> None:
    laptop = load_environment("laptop")
    assert laptop.home == home
    assert laptop.lake.root == f"{home}/lake"
    assert laptop.database == f"sqlite:///{home}/pressrun.db"


def test_production_names_every_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESSRUN_LAKE", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match=r"PRESSRUN_LAKE is not set[\s\S]*MLFLOW_TRACKING_URI is not set"):
        load_environment("production")


def test_what_a_variable_holds_is_never_told(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_PORT", "hunter2")
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nhome: /x\nlake: {root: /x}\ndatabase: x\nlanding: x\nmlflow: {tracking_uri: x}\n"
        "serving: {router_port: '${SECRET_PORT}'}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_environment(file)
    assert "serving.router_port" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_copied_config_folder_is_read_whole_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, topic in ((tmp_path / "project" / "config", "Weather"), (tmp_path / "copy", "Climate")):
        (place / "taxonomies").mkdir(parents=True)
        (place / "pipelines").mkdir()
        (place / "pipelines" / "topics.yaml").write_text(TOPICS)
        taxonomy = (
            f"name: t\nversion: '1'\ntopics: [{{name: {topic}, seeds: [rain]}}, {{name: Sports, seeds: [goal]}}]\n"
        )
        (place / "taxonomies" / "news-topics.yaml").write_text(taxonomy)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PRESSRUN_CONFIG", str(tmp_path / "copy"))
    assert load_taxonomy(load_pipeline("topics")).names == ("Climate", "Sports")
