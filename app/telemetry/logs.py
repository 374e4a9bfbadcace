"""What is logged, in one form: by all processes of the service and all libraries in them."""

import logging
import os
import sys
import threading
from collections.abc import Iterable
from types import TracebackType

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app import about
from app.hidden import blanked, in_environment, longest_first
from app.settings import LogFormat, Settings

log = logging.getLogger(__name__)

# They say at INFO what was asked of whom, tokens in addresses too.
_TALKATIVE = ("alembic", "httpx", "httpcore")
# A line is a line: nobody's input begins another.
_CONTROL = {code: repr(chr(code))[1:-1] for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}


def start(settings: Settings) -> None:
    """Log to standard error, as the settings say; where something is set up already, that stays."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings))
    handler.addFilter(add_about)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for talkative in _TALKATIVE:
        logging.getLogger(talkative).setLevel(logging.WARNING)
    # Not through these as they are: they write what is no line of this form.
    sys.excepthook = _ended
    threading.excepthook = lambda told: _ended(
        told.exc_type, told.exc_value, told.exc_traceback, told.thread
    )


def formatter(settings: Settings) -> logging.Formatter:
    """How a record is written."""
    secrets = longest_first([*settings.secrets(), *in_environment(os.environ)])
    return Json(secrets) if settings.log_format == LogFormat.JSON else Text(secrets)


def add_about(record: logging.LogRecord) -> bool:
    """Let a record say what it is about; of a handler, so that it hears all loggers."""
    for name, value in about.current().fields().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


class Text(logging.Formatter):
    """A line for a person: when, how bad, who says what, and what it is about."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = list(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record, with the cause below it."""
        return blanked(super().format(record), self._secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """One line."""
        record.message = record.message.translate(_CONTROL)
        said = [f"{name}={getattr(record, name)}" for name in about.FIELDS if hasattr(record, name)]
        return " ".join([super().formatMessage(record), *said])


class Json(JsonFormatter):
    """An object on a line for a program; times in UTC."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(
            ("levelname", "name", "message", "process"),
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # the web server's, for terminals
            timestamp="time",
        )
        self._secrets = list(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """The record and its cause as one object."""
        return blanked(super().format(record), self._secrets)


def _ended(
    kind: type[BaseException],
    failure: BaseException | None,
    trace: TracebackType | None,
    thread: threading.Thread | None = None,
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit) or failure is None:
        return
    where = "the process" if thread is None else f"the thread {thread.name}"
    log.critical("%s ended by a failure", where, exc_info=(kind, failure, trace))
