"""What is fetched is what was looked at: every lock has hashes, every licence is listed."""

import json
import re
from pathlib import Path

import pytest

from tests.support.licences import PAGE, rows, shipped
from tests.support.sbom import bill

CHECKOUT = Path(__file__).parent.parent
LOCKS = sorted(
    path
    for path in [
        *CHECKOUT.glob("requirements*.lock"),
        *CHECKOUT.glob("tests/**/requirements*.lock"),
    ]
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(CHECKOUT)))
def test_every_package_is_pinned_with_its_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text().replace("\\\n", " "))
    packages = [entry for entry in entries if entry.strip() and not entry.startswith("#")]
    assert packages
    loose = [
        entry.split()[0]
        for entry in packages
        if not re.match(r"[\w.\[\]-]+==\S+.*--hash=sha256:[0-9a-f]{64}", entry, re.DOTALL)
    ]
    assert loose == []


def test_every_package_of_npm_is_pinned_with_its_hash() -> None:
    for lock in CHECKOUT.glob("tests/**/package-lock.json"):
        packages = json.loads(lock.read_text())["packages"]
        assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_the_page_of_licences_is_what_the_packages_say() -> None:
    page = PAGE.read_text()
    assert [row for row in rows().values() if row not in page] == [], "run `make licences`"
    assert [name for name in shipped() if not re.search(rf"\b{re.escape(name)}\b", page)] == []
    listed = re.findall(r"^\| ([a-z0-9._-]+) \| \S+ \|", page, re.MULTILINE)
    assert set(listed) - {"package"} <= set(shipped())


@pytest.mark.slow
def test_the_bill_of_materials_has_all_that_ships_and_is_always_the_same() -> None:
    """Its schema is checked where it is made."""
    said = bill()
    assert said == bill()
    parts = {part["bom-ref"]: part for part in said["components"]}
    assert {name.partition("@")[0] for name in parts if name.startswith("pkg:pypi/")} == {
        f"pkg:pypi/{name}" for name in shipped()
    }
    for name, part in parts.items():
        if name.startswith("pkg:pypi/"):
            (files,) = part["externalReferences"]
            assert len(files["hashes"]) >= 1
            assert part.get("licenses") or part["name"] not in rows()
        elif not name.startswith("pkg:docker/"):
            assert all(file["hashes"] for file in part["components"])
            assert len(part["components"]) >= 1
    (image,) = (part for part in parts.values() if part["type"] == "container")
    assert image["version"] in (CHECKOUT / "Dockerfile").read_text()
    (root,) = (one for one in said["dependencies"] if one["ref"] == "splitplan")
    assert set(root["dependsOn"]) == set(parts)
