"""Spark jobs elsewhere: platforms, what is uploaded for them, and how a job is started once and found again."""

from pressrun.compute.elsewhere import NeedsPlatform, demand_platform
from pressrun.compute.platform import (
    ComputeError,
    ComputePlatform,
    ConfigurationFailed,
    Handle,
    JobFailed,
    JobState,
    PlatformFailed,
    PollingFailed,
    SparkJob,
    State,
)

__all__ = [
    "ComputeError",
    "ComputePlatform",
    "ConfigurationFailed",
    "Handle",
    "JobFailed",
    "JobState",
    "NeedsPlatform",
    "PlatformFailed",
    "PollingFailed",
    "SparkJob",
    "State",
    "demand_platform",
]
