"""Requests with their users in a CSV, as spreadsheets write them."""

import csv
import io
import json
from typing import Any

from tests.support.builders import Body


def as_csv(request: Body, separator: str = ",", mark: str = ".") -> tuple[Body, bytes]:
    """A JSON request as the parameters of an address and a table of its users."""
    terms = {name: value for name, value in request.items() if name != "users"}
    params = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in terms.items()
    }
    rows = [dict(_cells(user, mark)) for user in request["users"]]
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return params, text.getvalue().encode()


def _cells(user: Body, mark: str, outer: str = "") -> Any:
    for name, value in user.items():
        match value:
            case dict():
                yield from _cells(value, mark, f"{outer}{name}.")
            case list():
                yield outer + name, json.dumps(value)
            case float():
                yield outer + name, repr(value).replace(".", mark)
            case _:
                yield outer + name, value
