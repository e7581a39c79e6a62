"""Who labels an article: a chain of machines, then people, with a blind audit of a random share."""

from pressrun.labeling.csv_files import Imported, export_questions, import_answers, import_labels
from pressrun.labeling.stage import ask, collect, label, waiting
from pressrun.labeling.types import Answer, Article, Asked, Labeler, Usage

__all__ = [
    "Answer",
    "Article",
    "Asked",
    "Imported",
    "Labeler",
    "Usage",
    "ask",
    "collect",
    "export_questions",
    "import_answers",
    "import_labels",
    "label",
    "waiting",
]
