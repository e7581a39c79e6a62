"""What a server tells of itself: lines for people, or one JSON object a line for whoever gathers logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from opentelemetry.trace import INVALID_SPAN_CONTEXT, format_trace_id, get_current_span


def set_up_logging(kind: Literal["text", "json"]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if kind == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())


class JsonLines(logging.Formatter):
    """at, level, logger, message, and where there are such trace_id and exception."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = get_current_span().get_span_context()
        if context != INVALID_SPAN_CONTEXT:
            told["trace_id"] = format_trace_id(context.trace_id)
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)
