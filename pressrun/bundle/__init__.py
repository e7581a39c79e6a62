"""The model bundle: a folder of plain files that scores articles and cannot run code."""

from pressrun.bundle.text import article_text

__all__ = ["article_text"]
