"""The image without Docker: its instructions are carried out in a folder, its command is started
and asked.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from client.planning import PlanningClient
from solvers.compiled.build import LIBRARY, compilers

CHECKOUT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
LOCKED = re.compile(
    r"(\S+/python) -m pip install --disable-pip-version-check --require-hashes(?= -r)"
)
OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name"
    r" resolution|ConnectTimeoutError|dns error|client error \(Connect\)"
)


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile."""

    verb: str
    flags: dict[str, str]
    rest: str

    @property
    def command(self) -> list[str]:
        """The exec form of CMD."""
        command: list[str] = json.loads(self.rest.removeprefix("CMD "))
        return command


@dataclass
class Stage:
    """What a FROM begins."""

    image: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, verb: str) -> Instruction:
        return [entry for entry in self.instructions if entry.verb == verb][-1]

    def text(self, verb: str) -> str:
        return "\n".join(entry.rest for entry in self.instructions if entry.verb == verb)


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile."""
    without_comments = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    found: list[Stage] = []
    for line in re.sub(r"\s*\\\n\s*", " ", without_comments).splitlines():
        if not line.strip():
            continue
        verb, rest = line.split(maxsplit=1)
        flags = {}
        while match := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            flags[match[1]], rest = match[2], rest[match.end() :]
        if verb == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name or None))
        else:
            found[-1].instructions.append(Instruction(verb, flags, rest))
    return found


def in_context(path: Path, ignore: str) -> bool:
    """Whether .dockerignore lets a file into the build; the last pattern that fits decides."""
    kept = True
    parts = path.parts
    for pattern in (line for line in ignore.splitlines() if line and not line.startswith("#")):
        name = pattern.removeprefix("!").removeprefix("**/")
        places = (
            parts if "**/" in pattern else ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        )
        if any(fnmatch.fnmatchcase(place, name) for place in places):
            kept = pattern.startswith("!")
    return kept


@pytest.fixture(scope="module")
def dockerfile() -> list[Stage]:
    return stages((CHECKOUT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `docker build` would send."""
    folder = tmp_path_factory.mktemp("context")
    ignore = (CHECKOUT / ".dockerignore").read_text()
    for parent, folders, files in os.walk(CHECKOUT):
        here = Path(parent).relative_to(CHECKOUT)
        folders[:] = [name for name in folders if in_context(here / name, ignore)]
        for name in files:
            if in_context(here / name, ignore):
                (folder / here).mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / here / name, folder / here / name)
    return folder


def test_only_what_is_shipped_is_sent_to_the_build(context: Path, dockerfile: list[Stage]) -> None:
    sent = {entry.name for entry in context.iterdir()}
    copied = {
        source
        for entry in dockerfile[0].instructions
        if entry.verb == "COPY"
        for source in shlex.split(entry.rest)[:-1]
    }
    assert sent == copied
    assert not list(context.rglob("__pycache__"))
    ignore = (CHECKOUT / ".dockerignore").read_text()
    assert not any(
        in_context(Path(name), ignore)
        for name in (".git/config", ".venv/pyvenv.cfg", "tests/conftest.py")
    )


def test_the_final_stage_is_small_and_nobodys_root(dockerfile: list[Stage]) -> None:
    final = dockerfile[-1]
    pinned = r"python:3\.11\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?"
    assert all(re.fullmatch(pinned, stage.image) for stage in dockerfile)
    assert len({stage.image for stage in dockerfile}) == 1
    user, group = final.last("USER").rest.split(":")
    assert int(user) > 0
    assert int(group) > 0
    runs = final.text("RUN")
    assert not re.search(r"\b(apt|apt-get|gcc|g\+\+|make|pip|curl|wget)\b", runs)
    assert "/livez" in final.last("HEALTHCHECK").command[-1]
    assert final.last("VOLUME").rest == "/data"
    assert final.last("EXPOSE").rest == "8000"
    # `docker run splitplan splitplan worker` must not have to undo an entry point.
    assert not final.text("ENTRYPOINT")
    assert not final.text("ADD")


@pytest.mark.slow
def test_the_wheel_carries_its_data_and_nothing_else(context: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(context, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
    ]
    subprocess.run(
        [*build, "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source],
        check=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("splitplan-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    shipped = {
        str(path.relative_to(context))
        for package in ("app", "client", "migrations", "notation", "profiler", "solvers")
        for path in (context / package).rglob("*")
        if path.is_file()
    }
    # And what was compiled of it, where there was a compiler.
    assert packed - {f"solvers/compiled/{LIBRARY}"} == shipped
    assert (packed == shipped) == (next(compilers(), None) is None)


class Image:
    """Carries out a Dockerfile below a folder; the machine's own Python 3.11 stands in for the base
    image.
    """

    def __init__(self, folder: Path, context: Path, *, literally: bool) -> None:
        self.literally = literally
        self.root = folder / "root"
        self.folder = folder
        self.context = context
        self.environment: dict[str, str] = {}
        self.workdir = "/"
        self.base: dict[str, str] = {}
        base = folder / "base"
        (base / "bin").mkdir(parents=True)
        python = Path(sys.executable).resolve()
        if not all(parent.stat().st_mode & 0o001 for parent in python.parents):
            # Only its owner may enter, so the image's user gets a copy.
            without = shutil.ignore_patterns(
                "__pycache__", "site-packages", "test", "idlelib", "lib2to3", "*.a"
            )
            shutil.copytree(
                Path(sys.base_prefix, "lib"), base / "lib", symlinks=True, ignore=without
            )
            python = Path(shutil.copy2(python, base / "bin" / python.name))
            # A shared libpython is remembered by its old address.
            self.base = {"LD_LIBRARY_PATH": f"{base}/lib"}
        (base / "bin" / "python").symlink_to(python)
        self.base["PATH"] = f"{base}/bin:/usr/local/bin:/usr/bin:/bin"
        # Of 800 MB of packages only the modules that are imported are compiled, and once.
        compiled = folder / "compiled"
        compiled.mkdir()
        compiled.chmod(0o777)
        self.base |= {"PIP_NO_COMPILE": "1", "PYTHONPYCACHEPREFIX": str(compiled)}

    def build(self, dockerfile: list[Stage]) -> None:
        # Only the folders that the Dockerfile makes are its own; all others are the base image's.
        named = "\n".join(
            stage.text(verb) for stage in dockerfile for verb in ("WORKDIR", "VOLUME", "COPY")
        )
        tops = {place.rstrip("/") for place in re.findall(r"(?<!\S)/\w\S*", named)}
        self._own = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, tops))})(?=[/:\"'\s]|$)")
        for number, stage in enumerate(dockerfile):
            self.root.mkdir()
            self.root.chmod(0o755)
            self.environment, self.workdir = dict(self.base), "/"
            for instruction in stage.instructions:
                getattr(self, f"_{instruction.verb.lower()}")(instruction)
            if number < len(dockerfile) - 1:
                # Every stage has the same addresses, and sees nothing of another but what it
                # copies.
                self.root.rename(self.folder / f"stage-{stage.name}")

    def here(self, text: str) -> str:
        """The text with the image's own folders where they are on this machine."""
        return self._own.sub(lambda own: f"{self.root}{own[1]}", text)

    @property
    def cwd(self) -> Path:
        return self.root / self.workdir.lstrip("/")

    def _workdir(self, instruction: Instruction) -> None:
        self.workdir = instruction.rest
        self.cwd.mkdir(parents=True, exist_ok=True)

    def _env(self, instruction: Instruction) -> None:
        for pair in shlex.split(instruction.rest):
            name, _, value = pair.partition("=")
            value = re.sub(
                r"\$(\w+)", lambda variable: self.environment[variable[1]], self.here(value)
            )
            self.environment[name] = value

    def _copy(self, instruction: Instruction) -> None:
        *sources, destination = shlex.split(instruction.rest)
        assert set(instruction.flags) <= {"from"}
        origin = (
            self.folder / f"stage-{instruction.flags['from']}"
            if "from" in instruction.flags
            else self.context
        )
        target = (
            self.root / destination.lstrip("/")
            if destination.startswith("/")
            else self.cwd / destination
        )
        copy = os.link if "from" in instruction.flags else shutil.copy2  # no stage changes another
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(
                    found, target, symlinks=True, dirs_exist_ok=True, copy_function=copy
                )
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)

    def _run(self, instruction: Instruction) -> None:
        line = self.here(instruction.rest)
        if os.geteuid() != 0:  # only root gives files away; what follows then runs as whoever tests
            line = re.sub(r" --(owner|group)=\S+", "", line)
        # How this machine reaches its package registry is no matter of the image.
        registry = {
            name: value
            for name, value in os.environ.items()
            if name == "HOME" or name.startswith(("PIP_", "SSL_CERT_", "UV_"))
        }
        if not self.literally:
            # What `make` has asked of pip in the same words, and quicker.
            by_uv = f"{UV} pip install --python \\1 --quiet --require-hashes"
            line = LOCKED.sub(by_uv, line)
        done = subprocess.run(
            ["/bin/sh", "-ec", line],
            cwd=self.cwd,
            env=registry | self.environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        if done.returncode != 0 and OFFLINE.search(done.stderr + done.stdout):
            pytest.skip("no package registry can be reached to build the image from")
        assert done.returncode == 0, f"RUN {instruction.rest}\n{done.stdout}\n{done.stderr}"

    def _nothing_to_do(self, _: Instruction) -> None: ...

    _user = _volume = _expose = _healthcheck = _cmd = _nothing_to_do

    def start(
        self, command: list[str], user: str, log: Path, **environment: str
    ) -> subprocess.Popen[bytes]:
        """A command of the image, as its user where that is possible."""
        uid, gid = map(int, user.split(":"))
        as_user = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
        whole = self.environment | environment
        program = shutil.which(command[0], path=whole["PATH"])
        assert program is not None, f"the image has no {command[0]}"
        with log.open("wb") as written:
            return subprocess.Popen(
                [program, *map(self.here, command[1:])],
                cwd=self.cwd,
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                **as_user,  # type: ignore[call-overload]
            )


def test_packages_are_installed_as_by_make(dockerfile: list[Stage]) -> None:
    """So what `make` did is no news here, and may be done quicker."""
    makefile = (CHECKOUT / "Makefile").read_text().replace("--quiet ", "")
    asked = [LOCKED.search(text) for text in (dockerfile[0].text("RUN"), makefile)]
    assert all(asked)
    told = {found[0].removeprefix(found[1]) for found in asked if found}
    assert len(told) == 1


@pytest.fixture(
    scope="module",
    params=[False, pytest.param(True, marks=pytest.mark.soak)],
    ids=["by uv", "to the letter"],
)
def image(
    dockerfile: list[Stage], context: Path, request: pytest.FixtureRequest
) -> Iterator[Image]:
    # Not pytest's folder, which only its owner may enter: the image's user is somebody else.
    with tempfile.TemporaryDirectory(prefix="splitplan-image-") as folder:
        Path(folder).chmod(0o755)
        built = Image(Path(folder), context, literally=request.param)
        built.build(dockerfile)
        yield built


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine builds it, too
def test_the_built_image_migrates_serves_plans_and_stops(
    image: Image, dockerfile: list[Stage], tmp_path: Path
) -> None:
    final = dockerfile[-1]
    user, log = final.last("USER").rest, tmp_path / "log"

    where = image.start(["python", "-c", "import app, sys; sys.exit(app.__file__)"], user, log)
    assert where.wait(30) == 1
    assert log.read_text().startswith(str(image.root / "opt/splitplan/lib")), log.read_text()
    assert image.start(["python", "-c", "import pip"], user, log).wait(30) == 1

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    healthcheck = final.last("HEALTHCHECK").command
    assert image.start(healthcheck, user, log, SPLITPLAN_PORT=port).wait(30) != 0, (
        "healthy before it runs"
    )

    service = image.start(final.last("CMD").command, user, log, SPLITPLAN_PORT=port)
    try:
        end = time.monotonic() + 240
        while "startup complete" not in log.read_text():
            assert service.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        if os.geteuid() == 0:
            assert Path(f"/proc/{service.pid}").stat().st_uid == int(user.split(":")[0])
        health_log = tmp_path / "health"
        assert image.start(healthcheck, user, health_log, SPLITPLAN_PORT=port).wait(30) == 0, (
            health_log.read_text()
        )

        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False) as http:
            assert http.get("/livez").json() == {"status": "alive"}
            while (
                ready := http.get("/readyz")
            ).status_code != 200:  # its worker takes a moment longer
                assert time.monotonic() < end, ready.text + log.read_text()
                time.sleep(0.1)
            page = http.get("/docs")
            assets = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page.text)
            assert len(assets) >= 2, page.text
            assert all(http.get(asset).is_success for asset in assets)
        with PlanningClient(url, transport=httpx.HTTPTransport()) as planning:
            example = {
                "device": "jetson-xavier-nx-cpu",
                "model": "alexnet",
                "distance_m": 50.0,
                "deadline_s": 0.2,
            }
            users = [{"id": "camera", "risk": 0.02, **example}]
            request = {"channel": "lte-10mhz", "server": "nvidia-t4", "users": users}
            assert planning.solve("robust", request)["status"] == "solved"
            later = planning.submit("robust", request, respond_async=True)
            assert planning.wait(later["id"])["status"] == "solved"
        assert (image.root / "data/splitplan.db").is_file()
    finally:
        service.terminate()
        service.wait(30)
    assert service.returncode in (0, -15), log.read_text()
    assert "Traceback" not in log.read_text()
