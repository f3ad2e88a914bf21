"""Structured logs: one line an event of ours, text on a terminal and JSON elsewhere.

Levels mean something: an error wants somebody now, a warning today. No line holds personal data.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Final, TextIO

import msgspec
import structlog

_PLAIN: Final = frozenset({str, int, float, bool, list, tuple, dict, type(None)})
"""What a value in a log line may be to be written as it is."""

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Set up logging for the process; `form` is auto, text or json."""
    as_text = form == "text" or (form == "auto" and stream.isatty())
    stamped: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_nothing,
    ]
    last: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_as_json)]
    )
    threshold = _LEVELS[level]
    structlog.configure(
        processors=[*stamped, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    foreign = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=stamped,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(foreign)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))  # libraries speak only of trouble


def _as_json(values: structlog.typing.EventDict, **_options: object) -> str:
    """One line; a webhook's event has three, which the standard library takes twice as long to write."""
    if not _PLAIN.issuperset(map(type, values.values())):  # msgspec would write out all that is in it
        values = {name: value if type(value) in _PLAIN else repr(value) for name, value in values.items()}
    try:
        return msgspec.json.encode(values, enc_hook=repr).decode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(values, default=repr)


def _without_nothing(
    _logger: object, _method: str, values: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A value that is None is not worth a word."""
    return {key: value for key, value in values.items() if value is not None}
