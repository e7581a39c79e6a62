"""The operational database: people's questions, money reserved and spent, jobs elsewhere, alerts not yet delivered.

SQLite or PostgreSQL, for what is small and concurrent; everything that is kept for good is exported to the lake.
"""

from pressrun.jobs.budgets import BudgetExceededError, Budgets, Reservation
from pressrun.jobs.database import open_database
from pressrun.jobs.external import ExternalJob, ExternalJobs
from pressrun.jobs.outbox import Delivery, Message, Outbox, Thread
from pressrun.jobs.questions import Answered, AnswerOutcome, NewQuestion, Question, Questions

__all__ = [
    "AnswerOutcome",
    "Answered",
    "BudgetExceededError",
    "Budgets",
    "Delivery",
    "ExternalJob",
    "ExternalJobs",
    "Message",
    "NewQuestion",
    "Outbox",
    "Question",
    "Questions",
    "Reservation",
    "Thread",
    "open_database",
]
