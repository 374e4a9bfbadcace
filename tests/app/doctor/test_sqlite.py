"""Files that are gone, damaged, full or on the wrong disk."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import migration
from app.db import open_database
from app.doctor import sqlite
from tests.support.doctor import faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "splitplan.db"
    database = open_database(f"sqlite:///{path}")
    migration.migrate(database)
    database.engine.dispose()
    return path


def told(file: Path) -> str:
    return faults(sqlite.look(file)[1])


HOLD = "import fcntl, sys, time; a = open(sys.argv[1]); b = open(sys.argv[2], 'w')\n"
HOLD += "fcntl.flock(b, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"


@contextmanager
def at_work(file: Path) -> Iterator[int]:
    """A process that has the file open, and the lock of whoever works on it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file, f"{file}.lock"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def test_a_file_that_was_deleted_or_replaced_in_use(file: Path) -> None:
    assert told(file) == ""
    with at_work(file) as process:
        assert told(file) == ""
        kept = shutil.copy(file, file.parent / "other.db")
        file.rename(file.parent / "aside.db")
        assert f"is gone, and process {process} works on it" in told(file)
        shutil.move(kept, file)
        assert f"process {process} works on another file" in told(file)
        (file.parent / "aside.db").rename(file)
        assert told(file) == "", "it was put back"
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody has it: a look takes no lock


def test_a_file_that_is_not_there(file: Path) -> None:
    file.unlink()
    assert "there is no file" in told(file)


def test_a_damaged_file(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xff" * 8192
    file.write_bytes(content)
    assert "it is damaged" in told(file) or "cannot be read as a database" in told(file)
    file.write_bytes(b"no database" * 1000)
    there, found = sqlite.look(file)
    assert not there
    assert "file is not a database" in faults(found)


def test_a_log_without_its_index_is_not_made_up_for(file: Path) -> None:
    log = Path(f"{file}-wal")
    log.write_bytes(b"x" * 100)
    assert "was not looked at" in told(file)
    assert not Path(f"{file}-shm").exists()


def test_disks_that_are_no_place_for_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = file.parent / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {file.parent.parent} nfs4 rw 0 0\n")
    monkeypatch.setattr(sqlite, "_MOUNTS", mounts)
    assert "is on a network file system (nfs4)" in told(file)
    assert sqlite.file_system(Path("/elsewhere")) == "ext4"
    monkeypatch.undo()
    usage = shutil.disk_usage(file)
    for free, state in ((5 * 10**8, "warning"), (10**6, "wrong")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, f=free: usage._replace(free=f))
        assert f"database {state}: {free // 10**6} MB are left on its disk" in told(file)


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c '
import sys; from pathlib import Path
from app.doctor import sqlite
print(*(each.says for each in sqlite.look(Path(sys.argv[1]))[1]))' "$1/splitplan.db"
"""


def test_a_disk_that_is_read_only(file: Path) -> None:
    namespace = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"]).returncode:
        pytest.skip("only in a mount namespace of its own, which this machine does not give")
    ran = subprocess.run(
        [*namespace, "sh", "-c", READ_ONLY, "sh", file.parent, sys.executable],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "is mounted to be read only" in ran.stdout, ran.stderr
