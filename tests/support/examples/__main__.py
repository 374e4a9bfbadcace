"""Write what the OpenAPI document shows: `python -m tests.support.examples`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from app.examples import FILE
from tests.support.examples.recording import written
from tests.support.examples.story import recorded

if __name__ == "__main__":
    with TemporaryDirectory(prefix="splitplan-examples-") as folder:
        FILE.write_text(written(recorded(Path(folder))))
