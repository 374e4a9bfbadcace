"""Whose terms come with what ships: `python -m tests.support.licences` writes docs/licences.md."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LOCK = CHECKOUT / "requirements.lock"
PAGE = CHECKOUT / "docs" / "licences.md"
# Their terms ask something of whoever passes the package on, or what contains it.
COPYLEFT = re.compile(r"GPL|MPL|EPL|EUPL|CDDL|General Public|Mozilla Public", re.IGNORECASE)
_HEAD = """# Licences of what ships

Made by `make licences` from `requirements.lock` and from what each package says of itself; a test
holds it against both. These packages are installed with the service and are in its image. What
their wheels carry inside (OpenBLAS, libpq, OpenSSL, ...) has licences of its own, in the wheels.
The Debian packages of the image are not listed here, and neither is what only tests use.

"""


def shipped() -> dict[str, str]:
    """The packages of the lock with their versions."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", LOCK.read_text(), re.MULTILINE))


def licence(package: Distribution) -> str:
    """What a package says of itself: the SPDX expression, else a short text, else classifiers."""
    said = package.metadata
    for name in ("License-Expression", "License"):
        text = (said.get(name) or "").strip()
        if text and "\n" not in text and len(text) <= 80:
            return text.replace("|", "/")
    found = [
        entry.rpartition(" :: ")[2]
        for entry in said.get_all("Classifier") or []
        if entry.startswith("License ::")
    ]
    return "; ".join(found) or "not said: see its files"


def rows() -> dict[str, str]:
    """A row for every shipped package that is installed here, by name."""
    found = {}
    for name, version in shipped().items():
        try:
            terms = licence(distribution(name))
        except PackageNotFoundError:  # another platform's
            continue
        mark = "yes" if COPYLEFT.search(terms) else ""
        found[name] = f"| {name} | {version} | {terms} | {mark} |"
    return found


def page() -> str:
    """The whole page."""
    table = rows()
    bound = [
        row.split(" | ")[0].removeprefix("| ") for row in table.values() if row.endswith("yes |")
    ]
    others = sorted(set(shipped()) - set(table))
    return (
        _HEAD
        + f"**Copyleft**: {', '.join(bound) or 'none'}. Ask whoever answers for licences before"
        + " the image, or anything that contains them, is passed on.\n\n"
        + "| package | version | licence | copyleft |\n|---|---|---|---|\n"
        + "".join(f"{row}\n" for row in table.values())
        + f"\nOnly on other platforms: {', '.join(others) or 'none'}.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
