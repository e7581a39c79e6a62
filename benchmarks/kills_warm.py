"""What a template has read before it forks: the embeddings and each stage's sources, once for a thousand deaths."""

from pressrun.bundle.static_embeddings import package_embeddings
from pressrun.lake.fingerprint import PACKAGES, stage_code

package_embeddings()
for stage in PACKAGES:
    stage_code(stage)
