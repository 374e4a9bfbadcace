"""The operation of an address, found step by step and not by asking one route after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.convertors import StringConvertor
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.http.bodies import StrictRoute


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route, its place among all, and which steps of an address are its parameters, without what
    these end with.
    """

    place: tuple[int, int]
    route: StrictRoute
    parameters: tuple[tuple[int, str, str], ...]


@dataclass(slots=True)
class _Node:
    """Where an address has come so far: what may follow, and what ends here, by method."""

    named: dict[str, "_Node"] = field(default_factory=dict)
    any: dict[str, "_Node"] = field(default_factory=dict)
    """Steps that may be anything with a certain end, mostly none."""
    ends: dict[str, list[_Entry]] = field(default_factory=dict)


def steps_of(path: str, root_path: str) -> list[str]:
    """The steps of an address below where the application is mounted."""
    return path.removeprefix(root_path).split("/")


class Directory(BaseRoute):
    """Stands before the routes of an application, and finds those it knows.

    Of several that an address and a method fit, the first is taken, as it would be without. What it
    does not find (another method, a slash too many, nothing at all) is left to the routes
    themselves.
    """

    def __init__(self) -> None:
        self._root = _Node()

    def enter(self, routes: Iterable[BaseRoute], group: int = 0) -> None:
        """Know these from now on, after all routes of the groups before; others may look for some
        meanwhile.
        """
        for place, route in enumerate(routes):
            assert isinstance(route, StrictRoute), route
            self._enter((group, place), route)

    def _enter(self, place: tuple[int, int], route: StrictRoute) -> None:
        # Else a step of an address would not be one of the route's.
        assert all(isinstance(each, StringConvertor) for each in route.param_convertors.values())
        node, parameters = self._root, []
        for n, step in enumerate(route.path.split("/")):
            if step.startswith("{"):
                name, _, end = step[1:].partition("}")
                parameters.append((n, name, end))
                node = node.any.setdefault(end, _Node())
            else:
                node = node.named.setdefault(step, _Node())
        for method in route.methods or ():
            node.ends.setdefault(method, []).append(_Entry(place, route, tuple(parameters)))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route: whether a request is for one that is known, and for which."""
        if scope["type"] != "http":
            return Match.NONE, {}
        steps = steps_of(scope["path"], scope.get("root_path", ""))
        for entry in self._fitting(steps, scope["method"]):
            if entry.route.is_for(scope):
                parameters = {name: steps[n].removesuffix(end) for n, name, end in entry.parameters}
                route = entry.route
                found = {"route": route, "endpoint": route.endpoint, "path_params": parameters}
                return Match.FULL, found
        return Match.NONE, {}

    def _fitting(self, steps: list[str], method: str) -> list[_Entry]:
        nodes = [self._root]
        for step in steps:
            following = [node.named[step] for node in nodes if step in node.named]
            if step:
                following += [
                    after
                    for node in nodes
                    for end, after in node.any.items()
                    if step.endswith(end) and step != end
                ]
            nodes = following
        found = [entry for node in nodes for entry in node.ends.get(method, ())]
        return found if len(found) < 2 else sorted(found, key=lambda entry: entry.place)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route answer that was found."""
        route: StrictRoute = scope["route"]
        await route.answer_found(scope, receive, send)
