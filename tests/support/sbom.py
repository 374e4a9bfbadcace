"""What ships, for machines: `python -m tests.support.sbom FILE` writes it as CycloneDX 1.6.

Twice the same from the same checkout: there is no time in it, and its serial number is made of what
it says.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tests.support.licences import CHECKOUT, LOCK, licence

# Pages that the service shows offline come with what draws them, in a package of another licence.
DRAWN_BY = {"swagger-ui": "Apache-2.0", "redoc": "MIT"}
_LICENCES = LicenseFactory()


def _files(folder: Path, names: Iterable[str]) -> list[Component]:
    return [
        Component(
            type=ComponentType.FILE,
            name=name,
            bom_ref=f"file:{name}",
            hashes=[_hash(sha256((folder / name).read_bytes()).hexdigest())],
        )
        for name in names
    ]


def _hash(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def packages() -> Iterator[Component]:
    """Of every package of the lock the files that may be installed, and its terms where it is."""
    for entry in re.split(r"\n(?=\S)", LOCK.read_text()):
        if (found := re.match(r"([\w.-]+)==([^\s;\\]+)(?: ; ([^\\]+))?", entry)) is None:
            continue
        name, number, marker = found.groups()
        purl = PackageURL("pypi", name=name, version=number)
        try:
            licences = [_LICENCES.make_from_string(licence(distribution(name)))]
        except PackageNotFoundError:  # another platform's
            licences = []
        fetched = ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(f"https://pypi.org/simple/{name}/"),
            hashes=map(_hash, re.findall(r"--hash=sha256:(\w{64})", entry)),
        )
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=number,
            purl=purl,
            bom_ref=str(purl),
            licenses=licences,
            external_references=[fetched],
            properties=[Property(name="marker", value=marker.strip())] if marker else [],
        )


def pages() -> Iterator[Component]:
    """Scripts and styles of the pages that are shown offline, by their digests."""
    static = Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))
    for name, terms in DRAWN_BY.items():
        names = sorted(path.name for path in static.glob(f"{name}*"))
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            bom_ref=f"pages:{name}",
            licenses=[_LICENCES.make_from_string(terms)],
            components=_files(static, names),
        )


def kernel() -> Component:
    """The compiled kernel, by its sources: each machine compiles its own library."""
    folder = CHECKOUT / "solvers" / "compiled" / "sources"
    return Component(
        type=ComponentType.LIBRARY,
        name="splitplan-kernel",
        version=version("splitplan"),
        bom_ref="splitplan-kernel",
        components=_files(folder, sorted(path.name for path in folder.iterdir())),
    )


def base_image() -> Component:
    """What the image is built on, as its Dockerfile names it."""
    *_, image = re.findall(r"^FROM (\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    found = re.fullmatch(r"([^:@]+):([^@]+)(?:@sha256:(\w{64}))?", image)
    assert found is not None, f"Dockerfile: FROM {image}"
    name, tag, digest = found.groups()
    purl = PackageURL("docker", name=name, version=tag)
    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=tag,
        purl=purl,
        bom_ref=str(purl),
        hashes=[_hash(digest)] if digest else [],
    )


def bill() -> dict[str, Any]:
    """The document. Raises ValueError where the schema of CycloneDX does not allow it."""
    own = Component(
        type=ComponentType.APPLICATION,
        name="splitplan",
        version=version("splitplan"),
        bom_ref="splitplan",
    )
    parts = [*packages(), *pages(), kernel(), base_image()]
    bom = Bom(components=parts)
    bom.metadata.component = own
    bom.register_dependency(own, parts)
    said: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del said["metadata"]["timestamp"], said["serialNumber"]
    content = json.dumps(said, sort_keys=True)
    said["serialNumber"] = uuid5(NAMESPACE_URL, content).urn
    if (
        wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(said))
    ) is not None:
        raise ValueError(wrong)
    return said


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(), indent=2, sort_keys=True) + "\n")
