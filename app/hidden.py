"""What nobody may read in a log or a report: found where a process was given it, and blanked."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

# Shorter secrets are parts of ordinary words.
_LEAST = 6
_BLANK = "***"
# What is a secret as a whole, here and to the libraries that are loaded.
_WHOLE = ("SPLITPLAN_WEBHOOK_SECRET", "SPLITPLAN_API_KEY", "PGPASSWORD")
_ADDRESSES = ("SPLITPLAN_DATABASE_URL", "SPLITPLAN_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
# Up to the last @ before the path, since who writes it by hand may not have encoded one.
_USER = re.compile(r"//[^/?#]*?:(?P<first>[^/?#]*)@|//[^:@]*:(?P<whole>.*)@")


def in_environment(given: Mapping[str, str | None]) -> Iterator[str]:
    """The secrets that a process was given, as far as one knows by their names."""
    for name in _WHOLE:
        secret = given.get(name)
        if secret:
            yield from (secret, secret.removeprefix("whsec_"))
    for name in _ADDRESSES:
        yield from in_address(given.get(name) or "")
    for name in _HEADERS:
        for pair in (given.get(name) or "").split(","):
            value = unquote(pair.partition("=")[2].strip())
            yield from (value, pair.partition("=")[2].strip(), *value.split()[1:])


def in_address(url: str) -> Iterator[str]:
    """The password in an address, as it is written and as it is meant; in its query, too."""
    for found in _USER.finditer(url):
        password = found["first"] or found["whole"] or ""
        yield from (password, unquote(password))
    for password in re.findall(r"[?&](?:ssl)?password=([^&#]*)", url):
        yield from (password, unquote(password))


def blanked(text: str, secrets: Iterable[str]) -> str:
    """A text without these; longer ones first, since one may be a part of another."""
    for secret in longest_first(secrets):
        text = text.replace(secret, _BLANK)
    return text


def longest_first(secrets: Iterable[str]) -> list[str]:
    """Those that can be told from ordinary words, in the order in which they are blanked."""
    return sorted({each for each in secrets if len(each) >= _LEAST}, key=len, reverse=True)
