"""Callers who ask too often are told so, and all of them how often they may (the HTTPAPI working
group's draft-ietf-httpapi-ratelimit-headers-11).
"""

import ipaddress
from functools import lru_cache

from starlette.types import Message, Scope, Send

from app.auth.callers import ANYONE, NOBODY, Caller
from app.auth.rates import WINDOW_S, Rates, Share
from app.errors import TooManyRequests
from app.limits import NONE, Limits, limits, setting
from app.settings import Settings

# Who probes a service from a balancer's address shall not depend on what others send from there.
_PROBES = frozenset({"/livez", "/readyz"})
# Of the ends of addresses that one customer of a network usually has at their disposal.
_V6_PREFIX = 64


class Throttle:
    """Counts the requests of callers: of one with a key by the key, of any other by its address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open, self._of_many = (limits(settings, of_many=many) for many in (False, True))
        self.rates = Rates()

    def limits(self, caller: Caller) -> Limits:
        """What a caller may take."""
        if caller is ANYONE:
            return self._open
        if caller.own_limits is NONE:
            return self._of_many
        return limits(self._settings, of_many=True, own=caller.own_limits)

    def caller(self, caller: Caller, scope: Scope, path: str) -> Share | None:
        """What a caller has left, this request counted; None where nothing is counted."""
        if caller.key_id is not None:
            return self._take(f"key {caller.key_id}", self.limits(caller).requests_per_second)
        if caller is NOBODY and path in _PROBES:
            return None
        return self.stranger(scope, of_many=caller is not ANYONE)

    def stranger(self, scope: Scope, *, of_many: bool = True) -> Share | None:
        """What an address has left, a request without a good key counted."""
        return self._take(*self._stranger(scope, of_many=of_many))

    def require_trusted(self, scope: Scope) -> None:
        """Refuse to look at a key from where too many came that are none. Raises
        TooManyRequests.
        """
        who, per_second = self._stranger(scope, of_many=True)
        if per_second is not None:
            require_allowed(self.rates.look(who, per_second))

    def _stranger(self, scope: Scope, *, of_many: bool) -> tuple[str, float | None]:
        client = scope.get("client")
        address, near = _network(client[0] if client else "")
        of_many = of_many and not near
        name = "address_requests_per_second"
        return f"address {address}", setting(self._settings, name, of_many=of_many)

    def _take(self, who: str, per_second: float | None) -> Share | None:
        return None if per_second is None else self.rates.take(who, per_second)


@lru_cache(maxsize=4096)
def _network(address: str) -> tuple[str, bool]:
    """Whose an address is, and whether it is this machine's."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address, True  # a socket of this machine has no address
    found = getattr(found, "ipv4_mapped", None) or found
    if found.version == 6 and not found.is_loopback:
        return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False)), False
    return str(found), found.is_loopback


def require_allowed(share: Share | None) -> None:
    """Refuse a request that is one too many. Raises TooManyRequests."""
    if share is None or share.allowed:
        return
    refused = TooManyRequests(
        f"This caller may ask {share.quota / WINDOW_S:g} times a second, and {share.quota} times"
        f" at once after a pause: ask again in {share.wait_s} s.",
        retry_after_s=share.wait_s,
    )
    refused.headers = told(share)
    raise refused


def told(share: Share | None) -> dict[str, str]:
    """The headers that say what is left."""
    if share is None:
        return {}
    return {
        "RateLimit-Policy": f'"requests";q={share.quota};w={WINDOW_S}',
        "RateLimit": f'"requests";r={share.left};t={share.wait_s}',
    }


def telling(share: Share | None, send: Send) -> Send:
    """Send an answer with these headers."""
    if share is None:
        return send
    headers = [(name.lower().encode(), text.encode()) for name, text in told(share).items()]

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return tell
