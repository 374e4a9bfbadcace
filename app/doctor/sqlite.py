"""A database in a file: the file, its disk, and whoever has it open."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from app.doctor.findings import Finding, ok, warning, wrong
from app.doctor.opening import opening

_MINE = "database"
# SQLite's log needs memory that all who have the file open share, and locks that hold.
NETWORKED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs",
     "gpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone"}
)  # fmt: skip
_MOUNTS, _LOCKS = Path("/proc/self/mounts"), Path("/proc/locks")
_LITTLE_BYTE, _ROOM_BYTE = 64 * 2**20, 10**9
_CHECK_S = 60.0


def look(file: Path) -> tuple[bool, list[Finding]]:
    """Whether it can be opened, and what was found before that."""
    if not file.is_file():
        return False, [_missing(file)]
    found = [*_disk(file), *_writable(file), *_another(file)]
    try:
        found += _opened(file)
    except sqlite3.Error as error:
        said = f"{file} cannot be read as a database: {error}"
        mend = "Restore a backup: `splitplan restore`."
        return False, [*found, wrong(_MINE, said, mend)]
    return True, found


def _missing(file: Path) -> Finding:
    holder = worker(file)
    if holder is not None:
        said = (
            f"{file} is gone, and process {holder} works on it: it was deleted or moved while"
            " in use"
        )
        return wrong(_MINE, said, "Put the file back, or restart the service on the one to use.")
    if file.parent.is_dir():
        said = f"there is no file {file}"
    else:
        said = f"there is no folder {file.parent}"
    mend = "`splitplan serve --migrate --load-catalogue` makes it; or mend SPLITPLAN_DATABASE_URL."
    return wrong(_MINE, said, mend)


def _disk(file: Path) -> Iterator[Finding]:
    kind = file_system(file)
    if kind in NETWORKED:
        said = f"{file} is on a network file system ({kind}), whose locks do not hold"
        yield wrong(_MINE, said, "Move it to a local disk, or move to Postgres.")
    free = shutil.disk_usage(file.parent).free
    if free < _LITTLE_BYTE:
        yield wrong(_MINE, f"{free // 10**6} MB are left on its disk", "Make room.")
    elif free < _ROOM_BYTE:
        yield warning(_MINE, f"{free // 10**6} MB are left on its disk", "Make room.")


def file_system(file: Path) -> str | None:
    """The kind of file system that a file is on, where the machine tells."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return None
    at = file.absolute()
    best: tuple[int, str] | None = None
    for line in lines:
        _, point, kind, *_ = line.split()
        place = Path(point.replace("\\040", " "))
        if at.is_relative_to(place) and (best is None or len(place.parts) >= best[0]):
            best = len(place.parts), kind
    return None if best is None else best[1]


def _writable(file: Path) -> Iterator[Finding]:
    if os.statvfs(file.parent).f_flag & os.ST_RDONLY:
        said = f"{file.parent} is on a file system that is mounted to be read only"
        yield wrong(_MINE, said, "Mount it to be written, or name another file.")
        return
    for path in (file.parent, file):
        if not os.access(path, os.W_OK):
            said = f"the user {os.geteuid()}, who asks, may not write {path}"
            yield wrong(_MINE, said, "Run this as the service's user; or give that the right.")


def _another(file: Path) -> Iterator[Finding]:
    """Whoever works on this file may have another open by now."""
    holder = worker(file)
    if holder is None:
        return
    status = file.stat()
    with suppress(OSError):
        if (status.st_dev, status.st_ino) not in _open_files(holder):
            said = (
                f"process {holder} works on another file than the {file} that is there now: it was"
                " replaced"
            )
            mend = "Put the file back, or restart the service on the one to use."
            yield wrong(_MINE, said, mend)


def _open_files(process: int) -> set[tuple[int, int]]:
    """Device and inode of each. Raises OSError where they are not told."""
    found = set()
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            status = entry.stat()
            found.add((status.st_dev, status.st_ino))
    return found


def worker(file: Path) -> int | None:
    """The process that holds the lock of whoever works on a file, where the machine tells."""
    try:
        status = Path(f"{file}.lock").stat()
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    inode = f":{status.st_ino}"
    for line in lines:
        # number: FLOCK ADVISORY WRITE process device:device:inode first last
        parts = line.split()
        if "FLOCK" in parts and "->" not in parts and parts[5].endswith(inode):
            return int(parts[4])
    return None


def _opened(file: Path) -> Iterator[Finding]:
    with closing(opening(file)()) as database:
        ((byte,),) = database.execute(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        )
        yield from _log(file)
        yield from _damage(database)
    yield ok(_MINE, f"SQLite {sqlite3.sqlite_version}, {file}, {byte / 1e6:.1f} MB")


def _log(file: Path) -> Iterator[Finding]:
    beside = [Path(f"{file}-{ending}").exists() for ending in ("wal", "shm")]
    if beside == [True, False] and Path(f"{file}-wal").stat().st_size > 0:
        said = f"what {file}-wal holds was not looked at: nobody has the database open"
        yield warning(
            _MINE, said, "It is taken over when the service starts; keep the two together."
        )
    elif not _is_logged(file):
        said = "it has no write-ahead log: readers and the writer block each other"
        mend = "The next start makes one; if not, the file system cannot: use a local disk."
        yield warning(_MINE, said, mend)


def _is_logged(file: Path) -> bool:
    """As its header says (bytes 18 and 19 of the format): who opens it by itself is not told."""
    with file.open("rb") as opened:
        return opened.read(20)[18:20] == b"\x02\x02"


def _damage(database: sqlite3.Connection) -> Iterator[Finding]:
    """What SQLite itself finds within a minute."""
    until = time.monotonic() + _CHECK_S
    database.set_progress_handler(lambda: int(time.monotonic() > until), 100_000)
    try:
        found = [str(row[0]) for row in database.execute("PRAGMA quick_check(3)")]
        lost = database.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        said = f"its check took more than {_CHECK_S:g} s and was not finished"
        yield warning(_MINE, said, "`splitplan backup` checks all of it.")
        return
    finally:
        database.set_progress_handler(None, 0)
    if found != ["ok"]:
        yield wrong(
            _MINE, f"it is damaged: {'; '.join(found)}", "Restore a backup: `splitplan restore`."
        )
    if lost is not None:
        said = f"rows of {lost[0]} belong to rows that are gone"
        yield wrong(_MINE, said, "Restore a backup: `splitplan restore`.")
