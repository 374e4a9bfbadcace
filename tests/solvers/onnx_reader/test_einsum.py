"""Work of an Einsum: that of the products it sums."""

import pytest

from solvers.onnx_reader.einsum import einsum

A, B, C = (2, 3, 4), (2, 4, 5), (5, 6)


@pytest.mark.parametrize(
    ("equation", "shapes", "mac"),
    [
        (b"bij,bjk->bik", (A, B), 2 * 3 * 4 * 5),
        (b"bij, bjk", (A, B), 2 * 3 * 4 * 5),  # all of i and k, of every b together
        (b"...ij,...jk->...ik", (A, B), 2 * 3 * 4 * 5),
        (b"...ij,...jk", (A, B), 2 * 3 * 4 * 5),
        (b"...ij,jk->...ik", (A, (4, 5)), 2 * 3 * 4 * 5),
        (b"bij,bjk,kl->bil", (A, B, C), 2 * 3 * 4 * 5 + 2 * 3 * 5 * 6),
        (b"bhsd,bhtd->bhst", ((1, 8, 10, 64), (1, 8, 12, 64)), 8 * 10 * 12 * 64),
        (b"i,i", ((5,), (5,)), 5),
        (b"ij->ji", ((3, 4),), 0),
        (b"ii->i", ((3, 3),), 0),
        (b"ij,ij->ij", ((3, 4), (3, 4)), 0),
        (b"i,j->ij", ((3,), (4,)), 0),
        (b"ij,k->k", ((3, 4), (5,)), 0),  # i and j are summed before anything is multiplied
        (b"bij,bjk->bik", ((1, 3, 4), (7, 4, 5)), 7 * 3 * 4 * 5),
        (b",->", ((), ()), 0),
    ],
)
def test_only_sums_of_products_count(
    equation: bytes, shapes: tuple[tuple[int, ...], ...], mac: int
) -> None:
    assert einsum(shapes, (), {"equation": equation}) == mac


@pytest.mark.parametrize("equation", [b"ij,jk->ik", b"ijk,bjk,l", b"i.j,k", b"", b"i...j...,k"])
def test_what_does_not_fit_is_refused(equation: bytes) -> None:
    with pytest.raises(ValueError, match="term"):
        einsum((A, B), (), {"equation": equation})
