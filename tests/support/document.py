"""The OpenAPI document as it is committed.

`make lint` and a test of the command hold it against the code; who only looks something up in it
need not have it made, which takes a second in every process of the suite.
"""

import json
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((CHECKOUT / "openapi" / "openapi.json").read_bytes())
