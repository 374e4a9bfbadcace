"""Why a receiver was not told, in words that name nothing but what its caller knows."""

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

FAILURES = (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError)
"""What goes wrong on the way to a receiver."""


class Refused(Exception):
    """The address may not be told anything; trying again would not help."""


class Unwelcome(Exception):
    """The receiver did not say that it has it; the next attempt may succeed."""


def in_words(failure: BaseException, patience_s: float) -> str:
    """What a caller is told; what libraries say may name what nobody but them should know."""
    if isinstance(failure, Refused | Unwelcome):
        return str(failure)
    if isinstance(failure, TimeoutError | httpx.TimeoutException):
        return f"no answer within {patience_s:g} s"
    for cause in _causes(failure):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS was not spoken as it should be"
        if isinstance(cause, socket.gaierror):
            return "the name of the host is not known"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
    if isinstance(failure, httpx.RemoteProtocolError):
        return "what answered does not speak HTTP"
    return "the receiver could not be reached"


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__
