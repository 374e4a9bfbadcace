"""What is said of attributes right below them, read from the source when somebody asks for it.

A class does not keep it. Pydantic would have it from the source as soon as a class is made, which
is the dearest part of making it; whoever only serves needs none of it.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise


def said_of(kind: type, attribute: str) -> str | None:
    """What stands below an annotated attribute, in the class that declared it last."""
    for each in kind.__mro__:
        if attribute in inspect.get_annotations(each):
            return _said_in(each.__module__).get(each.__qualname__, {}).get(attribute)
    return None


@cache
def _said_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """What a module's source says of attributes, by the qualified names of their classes."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {name: dict(_said_below(found)) for name, found in _classes(tree, "")}


def _classes(within: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(within):
        match node:
            case ast.ClassDef(name=name):
                yield prefix + name, node
                yield from _classes(node, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _classes(node, f"{prefix}{name}.<locals>.")
            case ast.stmt():
                yield from _classes(node, prefix)


def _said_below(of: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for node, following in pairwise(of.body):
        match node, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
