"""A child that does what it is told: ends, sleeps, or says what it was sent."""

import os
import time
from collections.abc import Sequence
from typing import Any

from app.apart import answer_all


def answer(told: dict[str, Any], body: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    match told.get("do"):
        case "die":
            os.abort()
        case "sleep":
            time.sleep(600.0)
        case "fill":
            bytearray(2**33)
    return {"pid": os.getpid(), "told": told}, [bytes(body)]


def die(told: dict[str, Any], body: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    os.abort()


if __name__ == "__main__":
    answer_all(die if os.environ.get("LANG") == "die" else answer)
