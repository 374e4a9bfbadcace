"""The certificate for TLS, as clients would meet it: by handshakes in memory."""

import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import certifi

from app.doctor.findings import Finding, ok, warning, wrong
from app.settings import Settings

_MINE = "tls"
_DAY_S = 86_400.0
_SOON_S = 30.0 * _DAY_S
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_ of OpenSSL
_RENEW = "Renew it, and restart the service."


def look(settings: Settings, now_s: float | None = None) -> Iterator[Finding]:
    """Whether the files are there, belong together, and for how long they are good."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None or key is None:
        yield from _without(settings)
        return
    for file, what in ((cert, "CERT"), (key, "KEY")):
        try:
            file.read_bytes()
        except OSError as error:
            said = f"the file of SPLITPLAN_TLS_{what} cannot be read: {error.strerror}"
            yield wrong(_MINE, said, "Name a file that the service's user may read.")
            return
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        yield wrong(_MINE, _unusable(error), "Name a PEM file of each, the key without a password.")
        return
    if key.stat().st_mode & 0o004:
        yield warning(_MINE, "everybody on this machine may read the key", f"chmod o-r {key}")
    yield from _time_left(server, cert, time.time() if now_s is None else now_s)
    yield from _chain(server)


def _without(settings: Settings) -> Iterator[Finding]:
    if settings.is_loopback or settings.trusted_proxies:
        yield ok(_MINE, "not spoken here: left to a proxy, or nobody comes from outside")
        return
    said = "keys and plans go over the network in the clear: no certificate, and no trusted proxy"
    mend = (
        "Set SPLITPLAN_TLS_CERT and _KEY, or put a proxy in front and name it in"
        " SPLITPLAN_TRUSTED_PROXIES."
    )
    yield warning(_MINE, said, mend)


def _no_password() -> str:
    raise ValueError("encrypted")


def _unusable(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    if not isinstance(error, ssl.SSLError):
        return "the key is encrypted, and the service can ask nobody for its password"
    return "the files hold no certificate with its key in PEM"


def _time_left(server: ssl.SSLContext, cert: Path, now_s: float) -> Iterator[Finding]:
    """By a client that trusts the certificate itself, and so looks at nothing but its time."""
    client = _client()
    client.load_verify_locations(cert)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        met = _handshake(server, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            yield wrong(_MINE, "the certificate, or one of its chain, has expired", _RENEW)
        elif error.verify_code == _NOT_YET:
            mend = "Set the clock of this machine, or wait."
            yield wrong(_MINE, "the certificate is not good yet by this machine's clock", mend)
        else:
            said = f"clients refuse the certificate: {error.verify_message}"
            yield wrong(_MINE, said, "Have another one issued.")
        return
    until = str(met["notAfter"])
    left_s = ssl.cert_time_to_seconds(until) - now_s
    names = ", ".join(name for _, name in met.get("subjectAltName", ()))
    if left_s < _SOON_S:
        yield warning(
            _MINE, f"the certificate expires in {left_s / _DAY_S:.0f} days ({until})", _RENEW
        )
    else:
        yield ok(_MINE, f"a certificate for {names or 'no name'}, good until {until}")
    if not names:
        said = "the certificate names no host (subjectAltName): clients refuse it"
        yield wrong(_MINE, said, "Have one issued for the names by which the service is called.")


def _chain(server: ssl.SSLContext) -> Iterator[Finding]:
    """By a client that knows what this machine knows."""
    client = _client()
    client.load_default_certs(ssl.Purpose.SERVER_AUTH)
    with suppress(OSError):
        client.load_verify_locations(certifi.where())
    try:
        _handshake(server, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (_EXPIRED, _NOT_YET):
            return  # said already
        said = f"no public authority vouches for it ({error.verify_message})"
        mend = (
            "Put the certificates between it and its authority into the same file, behind it; where"
            " the authority is your own, give clients its certificate (SSL_CERT_FILE)."
        )
        yield warning(_MINE, said, mend)


def _client() -> ssl.SSLContext:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    return client


def _handshake(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> dict[str, tuple[tuple[str, str], ...]]:
    """The certificate that a client meets. Raises ssl.SSLCertVerificationError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(back, there)
    far = server.wrap_bio(there, back, server_side=True)
    for _ in range(10):
        for side in (near, far):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        if near.version() and near.getpeercert():
            break
    return near.getpeercert() or {}  # type: ignore[return-value]  # of what a certificate is made of, these are asked for
