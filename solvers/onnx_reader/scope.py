"""What is known of the tensors of a graph, by their names, while it is walked."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass

from onnx import TypeProto

from solvers.onnx_reader.sizes import Value


@dataclass(frozen=True)
class Scope:
    """What is known of each tensor by its name; a body sees those around it.

    `constants` has the tensors that depend on no input, with their value where it is small, and
    `weights` what they are made of; `aliases` the names of tensors that are another one.
    """

    types: ChainMap[str, TypeProto]
    constants: ChainMap[str, Value]
    weights: ChainMap[str, frozenset[int]]
    aliases: ChainMap[str, str]

    @property
    def is_inner(self) -> bool:
        """Whether it is a body's."""
        return len(self.types.maps) > 1

    def inner(self) -> Scope:
        """The scope of a body: what it defines is not seen around it."""
        return Scope(
            self.types.new_child(),
            self.constants.new_child(),
            self.weights.new_child(),
            self.aliases.new_child(),
        )

    def define_constant(
        self, name: str, type_: TypeProto, value: Value, weights: frozenset[int]
    ) -> None:
        """A tensor that depends on no input."""
        self.types[name] = type_
        self.constants[name] = value
        self.weights[name] = weights

    def resolved(self, name: str) -> str:
        """The tensor that a name stands for."""
        return self.aliases.get(name, name)

    def define_alias(self, name: str, source: str) -> None:
        """Another name of a tensor."""
        self.aliases[name] = source
        self.types[name] = self.types[source]
        if source in self.constants:
            self.define_constant(
                name, self.types[source], self.constants[source], self.weights[source]
            )
