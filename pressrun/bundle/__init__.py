"""The model bundle: a folder of plain files that answers texts or columns and cannot run code."""

from pressrun.bundle.bundle import Bundle, load_bundle
from pressrun.bundle.errors import BundleError
from pressrun.bundle.inputs import Batch, Pairs
from pressrun.bundle.text import article_text
from pressrun.bundle.write import write_bundle

__all__ = ["Batch", "Bundle", "BundleError", "Pairs", "article_text", "load_bundle", "write_bundle"]
