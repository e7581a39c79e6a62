"""What `pressrun check` says of a lake, its options and its mirrors, before anything is opened."""

from __future__ import annotations

import re

import pytest

from pressrun.check import check_all
from tests.config.conftest import Project

FILE = "config/environments/s3.yaml"
ROOT = "  root: ${PRESSRUN_LAKE:-s3://pressrun/lake}\n"
MISTAKES = {
    "an option that nobody knows": (
        "  storage_options: {aws_regoin: eu-west-1}\n",
        r"lake\.storage_options\.aws_regoin is .*no option that both clients of S3 know.*Did you mean aws_region\?",
    ),
    "an option that belongs into the environment": (
        "  storage_options: {aws_profile: news}\n",
        r"lake\.storage_options\.aws_profile is .*environment variable instead",
    ),
    "a switch that is neither on nor off": (
        "  storage_options: {aws_skip_signature: maybe}\n",
        r"lake\.storage_options\.aws_skip_signature is .*must be true or false",
    ),
    "an address without https": (
        '  storage_options: {aws_endpoint_url: "http://minio:9000"}\n',
        r"lake\.storage_options\.aws_endpoint_url is .*aws_allow_http",
    ),
    "a mirror to an environment that there is not": (
        "  mirrors: [{to: stagin}]\n",
        r'lake\.mirrors\[0\]\.to is "stagin"; there is no stagin\.yaml.*Did you mean staging\?',
    ),
    "a mirror to an environment that cannot be read": (
        "  mirrors: [{to: staging}]\n",
        r'lake\.mirrors\[0\]\.to is "staging"; .*PRESSRUN_DATABASE is not set',
    ),
    "a mirror to the lake itself": (
        "  mirrors: [{to: s3://pressrun/lake/}]\n",
        r"lake\.mirrors\[0\]\.to is .*it is the lake itself",
    ),
    "options of a mirror that has its own": (
        "  mirrors: [{to: gcs, storage_options: {google_skip_signature: 'true'}}]\n",
        r"lake\.mirrors\[0\]\.storage_options is .*gcs is an environment, whose file has its own",
    ),
    "an option of a mirror that nobody knows": (
        "  mirrors: [{to: gs://copy/lake, storage_options: {google_projekt: news}}]\n",
        r"lake\.mirrors\[0\]\.storage_options\.google_projekt is .*GCS know",
    ),
    "a mirror in a store that there is not": (
        "  mirrors: [{to: abfss://copy/lake}]\n",
        r"lake\.mirrors\[0\]\.to is .*s3:// or gs://",
    ),
}


@pytest.mark.parametrize(("added", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_lake_that_could_not_be_opened_is_told_with_file_line_key_and_remedy(
    project: Project, monkeypatch: pytest.MonkeyPatch, added: str, told: str
) -> None:
    monkeypatch.delenv("PRESSRUN_DATABASE", raising=False)
    project.spoil(ROOT, ROOT + added, file=FILE)
    (problem,) = check_all(environment=project.folder / FILE)
    assert re.search(rf"{FILE}:\d+: {told}", str(problem)), str(problem)


@pytest.mark.parametrize(
    "added",
    [
        "",
        "  mirrors: [{to: gcs}, {to: gs://copy/lake}, {to: /srv/copy}]\n",
        "  storage_options: {AWS_REGION: eu-west-1, google_skip_signature: 'true', max_retries: '9'}\n",
    ],
)
def test_a_lake_and_mirrors_that_are_well_are_not_told_of(project: Project, added: str) -> None:
    project.spoil(ROOT, ROOT + added, file=FILE)
    assert check_all(environment=project.folder / FILE) == []


def test_a_lake_in_a_store_that_there_is_not_is_told_of(project: Project) -> None:
    project.spoil("s3://pressrun/lake", "abfss://pressrun/lake", file=FILE)
    (problem,) = check_all(environment=project.folder / FILE)
    assert "lake.root" in str(problem)
    assert "s3:// or gs://" in str(problem)
