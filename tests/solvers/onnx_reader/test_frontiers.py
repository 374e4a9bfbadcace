"""Frontiers against brute force: every part of a small random graph that is closed under "what it
reads".
"""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.onnx_reader import frontiers as module
from solvers.onnx_reader.frontiers import frontiers
from solvers.onnx_reader.sized import Node, Trace
from solvers.onnx_reader.sizes import Size


@st.composite
def graphs(draw: st.DrawFn, most: int = 9) -> Trace:
    """Up to nine nodes over one or two inputs; some make two tensors, some tensors are results, all
    lead to one.
    """
    count = draw(st.integers(2, most))
    tensors = ["in0", "in1"][: draw(st.integers(1, 2))]
    inputs = list(tensors)
    nodes = []
    for place in range(count):
        # Mostly recent tensors, so that there are chains, with an edge back now and then.
        reads = draw(
            st.lists(
                st.integers(1, min(len(tensors), draw(st.sampled_from((1, 2, 3, 99))))),
                min_size=1,
                max_size=3,
            )
        )
        outputs = tuple(f"t{place}.{port}" for port in range(draw(st.sampled_from((1, 1, 1, 2)))))
        names = tuple(dict.fromkeys(tensors[-back] for back in reads))
        nodes.append(Node("Op", names, outputs, draw(st.integers(0, 3)), frozenset()))
        tensors += outputs
    read_somewhere = {name for node in nodes for name in node.inputs}
    results = [node.outputs[0] for node in nodes if not read_somewhere & set(node.outputs)]
    results += [name for name in tensors if name not in results and draw(st.integers(0, 9)) == 0]
    used = read_somewhere | set(results)
    return Trace(
        nodes=tuple(nodes),
        shapes={name: (1,) for name in inputs if name in used},
        outputs=tuple(results),
        sizes={name: Size(1, 4) for name in tensors},
        weights=(),
        shape_values={},
        uncounted=(),
    )


def by_brute_force(trace: Trace, most: int) -> set[tuple[frozenset[int], frozenset[str]]]:
    """Try every set of nodes."""
    found = set()
    maker = {name: place for place, node in enumerate(trace.nodes) for name in node.outputs}
    for size in range(1, len(trace.nodes)):
        for chosen in combinations(range(len(trace.nodes)), size):
            inside = set(chosen)
            reads = {name for place in chosen for name in trace.nodes[place].inputs}
            if any(maker[name] not in inside for name in reads if name in maker):
                continue
            made = {name for place in chosen for name in trace.nodes[place].outputs} | set(
                trace.shapes
            )
            wanted = {
                name
                for place, node in enumerate(trace.nodes)
                if place not in inside
                for name in node.inputs
            }
            crossing = made & (wanted | set(trace.outputs))
            if 1 <= len(crossing) <= most:
                found.add((frozenset(inside), frozenset(crossing)))
    return found


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(graphs(), st.integers(1, 5))
def test_all_and_only_the_frontiers_are_found(trace: Trace, most: int) -> None:
    search = frontiers(trace, most, trace.sizes)
    found = [(frozenset(frontier.before), frozenset(frontier.tensors)) for frontier in search.found]
    assert len(set(found)) == len(found)
    assert set(found) == by_brute_force(trace, most)
    assert search.searched == most


@settings(deadline=None, max_examples=50)
@given(graphs(), st.data())
def test_only_allowed_tensors_cross(trace: Trace, data: st.DataObject) -> None:
    allowed = data.draw(st.sets(st.sampled_from(sorted(trace.sizes))))
    search = frontiers(trace, 2, allowed)
    found = {(frozenset(frontier.before), frozenset(frontier.tensors)) for frontier in search.found}
    assert found == {
        (before, crossing) for before, crossing in by_brute_force(trace, 2) if crossing <= allowed
    }


def parallel(width: int, length: int) -> Trace:
    """Chains side by side that meet at the end: nothing but the ends is a single tensor."""
    nodes = [
        Node(
            "Op",
            ("x",) if not place else (f"c{chain}.{place - 1}",),
            (f"c{chain}.{place}",),
            1,
            frozenset(),
        )
        for chain in range(width)
        for place in range(length)
    ]
    nodes.append(
        Node(
            "Op", tuple(f"c{chain}.{length - 1}" for chain in range(width)), ("y",), 1, frozenset()
        )
    )
    tensors = ["x", *(name for node in nodes for name in node.outputs)]
    sizes = {name: Size(1, 4) for name in tensors}
    return Trace(tuple(nodes), {"x": (1,)}, ("y",), sizes, (), {}, ())


@pytest.mark.parametrize(("width", "length", "most"), [(2, 60, 2), (3, 12, 3)])
def test_chains_side_by_side_are_cut_in_every_combination(
    width: int, length: int, most: int
) -> None:
    """Each chain can be cut after any of its nodes, or before all while the input crosses, in the
    others' company.
    """
    search = frontiers(parallel(width, length), most, parallel(width, length).sizes)
    # All chains begun: length^width; with the input still crossing one tensor fewer may come from
    # the chains.
    with_input = 2 * length if width == 2 else 3 * length + 3 * length**2
    assert len(search.found) == length**width + with_input
    assert search.searched == most


def test_a_search_that_would_take_too_long_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = parallel(3, 20)
    monkeypatch.setattr(module, "MOST_WORK", 200_000)
    search = frontiers(trace, 3, trace.sizes)
    assert search.searched == 2
    # Chain after chain, and in no order a cut of three in every combination.
    triples = [frontier for frontier in search.found if len(frontier.tensors) == 3]
    assert 0 < len(triples) < 20**3


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(graphs(), st.integers(2, 8))
def test_without_a_search_those_along_the_file_are_found(trace: Trace, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_WORK", -1)
        search = frontiers(trace, most, trace.sizes)
    found = [(frozenset(frontier.before), frozenset(frontier.tensors)) for frontier in search.found]
    everything = by_brute_force(trace, most)
    assert len(set(found)) == len(found)
    assert set(found) <= everything
    in_file = {frozenset(range(count)) for count in range(1, len(trace.nodes))}
    assert {before for before, _ in found} >= in_file & {before for before, _ in everything}


def test_a_search_that_finds_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = parallel(3, 20)
    monkeypatch.setattr(module, "MOST_CUTS", 1000)
    assert frontiers(trace, 3, trace.sizes).searched == 2
