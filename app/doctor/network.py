"""Where the service listens, who may come in from where, and what answers there now."""

import ipaddress
import resource
from collections.abc import Iterator
from typing import Any

import httpx

from app.doctor.findings import Finding, ok, warning, wrong
from app.settings import Settings

_MINE = "network"
_SERVICE = "service"
# Files that a service has open beside its connections: databases, logs, libraries.
_BESIDE = 256
_PATIENCE_S = 10.0


def look(settings: Settings) -> Iterator[Finding]:
    """Addresses, hosts, proxies and limits."""
    yield from _hosts(settings)
    yield from _proxies(settings)
    if settings.metrics_port is not None and not _loopback(settings.metrics_host):
        said = (
            f"anybody who reaches {settings.metrics_host} port {settings.metrics_port} reads the"
            " metrics"
        )
        mend = "Set SPLITPLAN_METRICS_HOST to an address that only the monitoring reaches."
        yield warning(_MINE, said, mend)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + _BESIDE
    if resource.RLIM_INFINITY != files < needed:
        said = f"{files} files may be open at a time, {needed} are needed for as many connections"
        yield warning(
            _MINE, said, "Raise LimitNOFILE (ulimit -n), or lower SPLITPLAN_MAX_CONNECTIONS."
        )


def _hosts(settings: Settings) -> Iterator[Finding]:
    any_host = not settings.allowed_hosts or "*" in settings.allowed_hosts
    if any_host and not (settings.is_loopback and not settings.allowed_hosts):
        said = (
            "requests are answered whatever host they name: pages of strangers may reach it by DNS"
            " rebinding"
        )
        yield warning(_MINE, said, "Set SPLITPLAN_ALLOWED_HOSTS to the names it is called by.")
        return
    names = ", ".join(settings.allowed_hosts) or "this machine's, of whoever has no key"
    yield ok(_MINE, f"listens on {settings.host} port {settings.port}; hosts answered: {names}")


def _proxies(settings: Settings) -> Iterator[Finding]:
    for proxy in settings.trusted_proxies:
        network = ipaddress.ip_network(proxy)
        if network.prefixlen == 0:
            said = f"SPLITPLAN_TRUSTED_PROXIES={proxy}: anybody may say where a request comes from"
            yield warning(_MINE, said, "Name the addresses of the proxies alone.")
        elif settings.is_loopback and not network.is_loopback:
            said = f"the proxy {proxy} is trusted, but cannot reach {settings.host}"
            yield warning(
                _MINE, said, "Listen where it comes in (SPLITPLAN_HOST), or name 127.0.0.1."
            )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ask(settings: Settings) -> Iterator[Finding]:
    """Whether a service answers where it is to listen, and what it says of itself."""
    if settings.port == 0:
        return
    try:
        alive, ready = _asked(settings, "/livez"), _asked(settings, "/readyz")
    except httpx.ConnectError:
        said = f"nothing listens on {settings.host} port {settings.port}"
        yield warning(_SERVICE, said, "`splitplan serve` starts it.")
        return
    except httpx.HTTPError as error:
        said = (
            f"what listens on port {settings.port} does not answer as the service does:"
            f" {type(error).__name__}"
        )
        yield wrong(
            _SERVICE, said, "See what has the port (`ss -ltnp`), or choose another SPLITPLAN_PORT."
        )
        return
    told = _json(alive)
    if told.get("status") != "alive":
        said = (
            f"what listens on port {settings.port} is another program, or refuses to be asked"
            f" ({alive.status_code})"
        )
        yield wrong(
            _SERVICE, said, "See what has the port (`ss -ltnp`), or choose another SPLITPLAN_PORT."
        )
    elif ready.status_code != 200:
        said = f"it is alive and not ready: {_json(ready).get('detail', ready.status_code)}"
        yield wrong(_SERVICE, said, "Mend what it says.")
    else:
        yield ok(_SERVICE, "alive and ready")


def _asked(settings: Settings, path: str) -> httpx.Response:
    scheme = "http" if settings.tls_cert is None else "https"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 (what is listened on, not asked)
    at = f"[{host}]" if ":" in host else host
    named = [name for name in settings.allowed_hosts if "*" not in name]
    # What it shows is looked at elsewhere; whether it answers is not a matter of trust.
    return httpx.get(
        f"{scheme}://{at}:{settings.port}{path}",
        headers={"Host": named[0]} if named else {},
        timeout=_PATIENCE_S, trust_env=False, verify=False,  # noqa: S501
    )  # fmt: skip


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
