"""A failure is of the kind that the service says, whatever words the job's own exception and ids have in them."""

from __future__ import annotations

import pytest

from pressrun.compute.failures import of_dataproc_batch, of_dataproc_job, of_emr_serverless

JOB = "pressrun-4030403dc5b3d0e6f4031c9a1a9f4036"
AGENT = (
    "Google Cloud Dataproc Agent reports job failure. If logs are available, they can be found at:\n"
    f"https://console.cloud.google.com/dataproc/jobs/{JOB}?project=news-403&region=europe-west1\n"
    f"gcloud dataproc jobs wait '{JOB}' --region 'europe-west1' --project 'news-403'\n"
    f"gs://staging/google-cloud-dataproc-metainfo/{JOB}/driveroutput"
)
EMR = "Job execution failed, please check complete logs in configured logging destination. ExitCode: 1. "

OWN = {
    of_emr_serverless: [
        f"{EMR}Last few exceptions: KeyError: 'image'",
        f"{EMR}Last few exceptions: java.lang.OutOfMemoryError: insufficient memory for the Java Runtime",
        f"{EMR}Last few exceptions: AnalysisException: Path does not exist: s3://news/lake/x",
        f"{EMR}Last few exceptions: PermissionError: access denied by the lake; quota of rows exceeded",
        "KeyError: 'image'",
        "insufficient memory",
    ],
    of_dataproc_batch: [
        "Job failed with message [KeyError: 'image_url']. Additional details can be found at:\nhttps://console/batches/x",
        "Job failed with message [AnalysisException: Path does not exist: gs://news/lake/quota]. Additional details",
        "Job failed with message [ValueError: no permission for the service account was denied by us]",
        "KeyError: 'image_url'",
        "Path does not exist",
        "Traceback: insufficient rows",
    ],
    of_dataproc_job: [
        AGENT,
        f"Job failed with message [KeyError: 'permission denied']. {AGENT}",
        "Job failed with message [FileNotFoundError: No such file or directory: 'a']",
        "insufficient rows, not found",
    ],
}
THEIRS = [
    (of_emr_serverless, "Job run could not be started: insufficient capacity in the application", "platform"),
    (of_emr_serverless, "Worker could not be allocated: the application has exceeded maximumCapacity", "platform"),
    (of_emr_serverless, "The vCPU quota of the account was exceeded", "platform"),
    (of_emr_serverless, "Internal error, please retry", "platform"),
    (of_emr_serverless, "Access denied while assuming the execution role", "configuration"),
    (of_emr_serverless, "User is not authorized to perform: sts:AssumeRole", "configuration"),
    (of_emr_serverless, "The custom image could not be pulled from the repository", "configuration"),
    (of_dataproc_batch, "Insufficient 'CPUS' quota. Requested 12.0, available 8.0. Node pool needs them", "platform"),
    (of_dataproc_batch, "The zone does not have enough resources available to fulfill the request", "platform"),
    (of_dataproc_batch, "Permission dataproc.agents.create denied for the service account", "configuration"),
    (of_dataproc_batch, "Subnetwork 'default' does not support Private Google Access", "configuration"),
    (of_dataproc_batch, "Failed to pull the container image gcr.io/a/b:1", "configuration"),
    (of_dataproc_job, "Task not acquired", "platform"),
    (of_dataproc_job, "Insufficient 'CPUS' quota. Requested 12.0, available 8.0. Node pool needs them", "platform"),
    (of_dataproc_job, "The cluster is not in a RUNNING state", "platform"),
    (of_dataproc_job, "Permission dataproc.agents.create denied for the service account", "configuration"),
    (of_dataproc_job, "spark@news.iam does not have storage.objects.get access", "configuration"),
]  # fmt: skip


@pytest.mark.parametrize(("judge", "said"), [(judge, said) for judge, texts in OWN.items() for said in texts])
def test_what_the_job_itself_has_raised_is_the_jobs(judge: type, said: str) -> None:
    assert judge(said)[0] == "job"


@pytest.mark.parametrize(("judge", "said", "kind"), THEIRS)
def test_what_the_service_says_is_of_its_kind_with_what_to_do(judge: type, said: str, kind: str) -> None:
    found, hint = judge(said)
    assert (found, len(hint) > 20) == (kind, True)
