"""Pages as tests read them: their blocks of code with what a comment above says of each, and
answers printed with `...` for what is left out.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

CHECKOUT = Path(__file__).parent.parent.parent
LEFT_OUT = "…"
_DIRECTIVE = re.compile(r"<!-- (answer|file|not run|run by)(?:(?::|;)? (.*?))? -->")
_DOTS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|\.\.\.')


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page."""

    language: str
    content: str
    line: int
    what: str
    """`run`, or what the comment above it says: `answer`, `file`, `not run`, `run by`; empty
    where nobody says what becomes of it.
    """
    detail: str


def pages() -> list[Path]:
    """Every page that people read; decisions are of their day."""
    found = [
        *CHECKOUT.glob("*.md"),
        *(page for page in CHECKOUT.glob("docs/**/*.md") if page.parent.name != "decisions"),
    ]
    return sorted(found)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    before = ""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            before = token.content.strip()
        elif token.type == "fence" and token.info.startswith("{"):
            before = ""  # of the site: a list of pages, what is read from code
        elif token.type == "fence":
            assert token.map is not None
            told = _DIRECTIVE.fullmatch(before)
            default = "run" if token.info in ("sh", "python", "console") else ""
            what, detail = (told[1], told[2] or "") if told else (default, "")
            yield Block(token.info, token.content, token.map[0] + 1, what, detail)
            before = ""
        elif token.type != "inline":
            before = ""


def indented(page: Path) -> Iterator[tuple[int, str]]:
    """Line and first word of blocks that are indented, and so can say nothing of themselves."""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "code_block" and token.map is not None:
            yield token.map[0] + 1, token.content.split(maxsplit=1)[0]


def parsed(printed: str) -> Any:
    """An answer as a page prints it: JSON, in which `...` stands for what is left out."""
    opened: list[str] = []

    def dots(found: re.Match[str]) -> str:
        text = found[0]
        if text in "{[":
            opened.append(text)
        elif text in "}]":
            opened.pop()
        elif text == "...":
            return f'"{LEFT_OUT}": 0' if opened[-1] == "{" else f'"{LEFT_OUT}"'
        return text

    return json.loads(_DOTS.sub(dots, printed))
