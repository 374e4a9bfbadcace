"""Columns of strangers, read in a process of its own."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from typing import Any

from app.apart import Apart, Broken, Busy, Late
from app.arrow import ipc, pa
from app.errors import (
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    MalformedColumns,
    TooManyUsers,
    TooMuchAtOnce,
)

MOST_COLUMNS = 1000
# The libraries take one, and columns are there up to three times while they are made plain.
_MEMORY_BYTE = 3 * 2**30
READERS = Apart("app.column_reader", _MEMORY_BYTE, time_s=60.0)
atexit.register(READERS.close)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a table may hold."""

    users: int
    byte: int
    """Once it is unpacked."""


def read(form: str, body: bytes, limits: Limits, **told: Any) -> pa.Table:
    """The table in a body of a media type, in plain types (`columns.plain`); of CSV, whose `names`
    and `separator` are told, the cells of its rows as texts.

    Raises TooManyUsers, BodyTooLarge, MalformedColumns, TooMuchAtOnce, and InvalidRequest where the
    body ends or holds up its reader.
    """
    asked = {"form": form, "rows": limits.users, "columns": MOST_COLUMNS, "byte": limits.byte}
    try:
        said, content = READERS.ask(asked | told, body)
    except Broken:
        detail = f"the columns break whoever reads them: is it whole, and {form}?"
        raise InvalidRequest([FieldError("", detail)]) from None
    except Late:
        detail = f"reading the columns takes more than {READERS.time_s:g} s: send fewer"
        raise InvalidRequest([FieldError("", detail)]) from None
    except Busy:
        raise TooMuchAtOnce("Columns of others are being read.", retry_after_s=5) from None
    if "too_many" in said:
        raise TooManyUsers(said["too_many"], limits.users)
    if "too_large" in said:
        raise BodyTooLarge(said["too_large"])
    if "damaged" in said:
        raise MalformedColumns(f"The body is not {form}: {said['damaged']}.")
    with ipc.open_stream(pa.py_buffer(content)) as stream:
        return stream.read_all()
