"""Profiles, models from ONNX files and measurements of a planning service."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from client.connection import Connection, address
from client.errors import Json

Collection = Literal["devices", "models", "channels", "servers", "timings"]

PowerFormat = Literal["csv", "rapl", "powerstat", "tegrastats"]

MEASUREMENT_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


class Profiles(Connection):
    """What a service knows of devices, models, channels, servers and timings."""

    def create(self, collection: Collection, profile: Mapping[str, Any]) -> Json:
        """Store revision 1 of a new name."""
        return self._json("POST", f"/v1/{collection}", json=profile)

    def profile(self, collection: Collection, name: str, revision: int | None = None) -> Json:
        """A profile: its latest revision, or the one asked for."""
        path = address("v1", collection, name)
        return self._json("GET", path if revision is None else f"{path}/revisions/{revision}")

    def profiles(self, collection: Collection) -> Iterator[Json]:
        """The latest revision of every name, by name; pages are fetched as they are needed."""
        return self._items(f"/v1/{collection}")

    def replace(self, collection: Collection, profile: Mapping[str, Any]) -> Json:
        """Store a profile that was read and changed as a new revision; 412 if another came between.

        `profile` carries the `revision` it was read with.
        """
        headers = {"If-Match": f'"{profile["revision"]}"'}
        return self._json(
            "PUT", address("v1", collection, profile["name"]), json=profile, headers=headers
        )

    def delete(self, collection: Collection, name: str) -> None:
        """Take a name out of use; its revisions stay."""
        self._send("DELETE", address("v1", collection, name))

    def import_model(
        self,
        file: Path,
        name: str,
        *,
        shapes: Sequence[str] = (),
        values: Sequence[str] = (),
        sizes: Sequence[str] = (),
        input_byte: Sequence[str] = (),
        max_tensors: int = 1,
        fusion_boundaries: bool = False,
        pareto: bool = False,
    ) -> Json:
        """Store the places to cut the network of an ONNX file as a new model profile; the file is
        sent as it is read.

        Parameters
        ----------
        shapes: an input with its dimensions, `data:1,3,224,224`, for each that leaves some open
        values: what an input is wherever the network runs, `sr:16000`
        sizes: what depends on the data, as it usually is, `boxes:100`
        input_byte: what sending an input takes, `data:150528`, where it is not sent as it is
        max_tensors: how many tensors may cross a cut
        fusion_boundaries: leave out cuts inside what a runtime computes in one kernel
        pareto: leave out cuts that another beats in FLOP and bytes
        """
        params = {
            "name": name,
            "shape": list(shapes),
            "value": list(values),
            "size": list(sizes),
            "input_byte": list(input_byte),
            "max_tensors": max_tensors,
            "fusion_boundaries": fusion_boundaries,
            "pareto": pareto,
        }
        headers = {"Content-Type": "application/octet-stream"}
        with file.open("rb") as opened:
            return self._json(
                "POST", "/v1/models/import", params=params, headers=headers, file=opened
            )

    def send_measurements(
        self,
        timing: str,
        measured: Mapping[str, Any] | Path,
        *,
        model: str | None = None,
        processor: str | None = None,
        processor_kind: Literal["device", "server"] | None = None,
        model_sha256: str | None = None,
    ) -> Json:
        """Make the next revision of a timing from samples, or hold observed times against the one a
        plan was made with.

        Parameters
        ----------
        measured: samples (`sessions`) or observations (`plan`), or a file with either as JSON, or
            with samples as CSV or Parquet, by its suffix
        model, processor, processor_kind, model_sha256: for tables, which have no place for them
        """
        told = {
            "model": model,
            "processor": processor,
            "processor_kind": processor_kind,
            "model_sha256": model_sha256,
        }
        params = {field: value for field, value in told.items() if value is not None}
        path = address("v1", "timings", timing, "measurements")
        if not isinstance(measured, Path):
            return self._json("POST", path, params=params, json=measured)
        if (media_type := MEASUREMENT_TYPES.get(measured.suffix.lower())) is None:
            raise ValueError(f"{measured} must end in one of {', '.join(MEASUREMENT_TYPES)}")
        with measured.open("rb") as opened:
            return self._json(
                "POST", path, params=params, headers={"Content-Type": media_type}, file=opened
            )

    def estimate_profile(
        self,
        collection: Literal["timings", "devices"],
        said: Mapping[str, Any],
        *,
        dry_run: bool = False,
    ) -> Json:
        """Store a timing made of times of the whole network, or a device made of two powers; or
        only show it.
        """
        params = {"dry_run": "true"} if dry_run else {}
        return self._json("POST", f"/v1/{collection}/estimate", params=params, json=said)

    def measurements(self, timing: str) -> Iterator[Json]:
        """The samples behind a timing's revisions and the observations against them, oldest first,
        in brief.
        """
        return self._items(address("v1", "timings", timing, "measurements"))

    def send_power(
        self,
        device: str,
        measured: Mapping[str, Any] | Path | Sequence[Path],
        *,
        form: PowerFormat | None = None,
        idle: Sequence[Path] = (),
        **said: str | float | bool | None,
    ) -> Json:
        """Make the next revision of a device from energies or powers at several clocks.

        Parameters
        ----------
        measured: samples (`sessions`), or a file with them as JSON or CSV by its suffix, or logs,
            each a run of its own
        form: what a text is: `csv` (units in its heading), `rapl` (readings of an energy counter),
            `powerstat`, `tegrastats`
        idle: logs of the idle device
        said: for text, what JSON says in its body, and how logs are read: `above_idle`,
            `idle_power_w`, `product`, `leave_out_suspicious`, `rail`, `clock`, `busy_percent`,
            `frequency_hz`
        """
        path = address("v1", "devices", device, "power-measurements")
        if isinstance(measured, Mapping):
            return self._json("POST", path, json=measured)
        files = [measured] if isinstance(measured, Path) else [*measured]
        params = {name: value for name, value in said.items() if value is not None}
        if form is None and files[0].suffix.lower() not in (".json", ".csv"):
            raise ValueError(f"{files[0]} does not say what it is: give form")
        if len(files) > 1 or idle:
            if form not in ("powerstat", "tegrastats"):
                raise ValueError("only logs of powerstat or tegrastats may be several")
            content = _joined(files, idle)
        else:
            content = files[0].read_bytes()
        is_json = form is None and files[0].suffix.lower() == ".json"
        media_type = "application/json" if is_json else "text/plain" if form else "text/csv"
        params |= {"format": form} if form else {}
        return self._json(
            "POST", path, params=params, headers={"Content-Type": media_type}, content=content
        )

    def power_measurements(self, device: str) -> Iterator[Json]:
        """The measured power behind a device's revisions, oldest first, in brief."""
        return self._items(address("v1", "devices", device, "power-measurements"))


def _joined(files: Sequence[Path], idle: Sequence[Path]) -> bytes:
    """Logs as one text, each with the mark that begins its run."""
    marked = [(b"# idle\n", file) for file in idle]
    for file in files:
        name = re.sub(r"[\s=]", "_", file.stem)
        marked.append((f"# run {name}\n".encode(), file))
    return b"\n".join(mark + file.read_bytes() for mark, file in marked)
