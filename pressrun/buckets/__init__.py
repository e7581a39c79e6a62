"""Object stores on this machine, each a process of its own: Amazon S3 by moto, Google Cloud Storage by fake-gcs-server.

For the demo and for tests; both come with the developers' tools (`make setup`), not with the package.
"""

from pressrun.buckets.servers import BucketServer, NoBucketServer, command, gcs_server, s3_server

__all__ = ["BucketServer", "NoBucketServer", "command", "gcs_server", "s3_server"]
