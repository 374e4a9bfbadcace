"""What the standard says of a node: its operator, attributes, result types and work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import onnx
from onnx import (
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TypeProto,
    checker,
    defs,
    helper,
    numpy_helper,
    shape_inference,
)

from solvers.onnx_reader import work
from solvers.onnx_reader.graph import called
from solvers.onnx_reader.network import LARGEST, Unreadable
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.sizes import first_line, shape_of

_DOMAINS = {"ai.onnx": ""}


def opsets_of(model: ModelProto) -> dict[str, int]:
    """The version of each domain's operators. Raises Unreadable."""
    opsets = {_DOMAINS.get(each.domain, each.domain): each.version for each in model.opset_import}
    newest = defs.onnx_opset_version()
    if "" not in opsets:
        raise Unreadable(
            "the file does not say which opset its operators are of: it is not an ONNX model, or a"
            " broken one"
        )
    if not 1 <= opsets[""] <= newest:
        raise Unreadable(f"the file is of opset {opsets['']}; those from 1 to {newest} are known")
    return opsets


def domain_of(node: NodeProto) -> str:
    """Whose operator it is; empty for the standard's own."""
    return _DOMAINS.get(node.domain, node.domain)


def schema_of(node: NodeProto, opsets: Mapping[str, int]) -> defs.OpSchema:
    """The standard's description of the node's operator. Raises Unreadable."""
    domain = domain_of(node)
    if domain not in opsets:
        raise Unreadable(
            f"{called(node)} is of the domain {domain!r}, of which the file does not say the"
            " version"
        )
    try:
        return defs.get_schema(node.op_type, opsets[domain], domain)
    except defs.SchemaError:
        operator = f"{domain}.{node.op_type}" if domain else node.op_type
        raise Unreadable(
            f"{called(node)}: {operator} is not a standard operator of opset"
            f" {opsets[domain]}, so its work is not known: export the network without it"
        ) from None


def require_ports(node: NodeProto, schema: defs.OpSchema) -> None:
    """Raise Unreadable unless the node has as many inputs and outputs as its operator."""
    if not (
        schema.min_input <= len(node.input) <= schema.max_input
        and schema.min_output <= len(node.output) <= schema.max_output
    ):
        raise Unreadable(
            f"{called(node)} has {len(node.input)} inputs and {len(node.output)} outputs, which its"
            " operator never has"
        )
    required = [
        formal.option == defs.OpSchema.FormalParameterOption.Single for formal in schema.inputs
    ]
    if not all(name for name, needed in zip(node.input, required, strict=False) if needed):
        raise Unreadable(f"{called(node)} lacks an input that its operator needs")


def attributes_of(node: NodeProto, schema: defs.OpSchema) -> dict[str, Any]:
    """The attributes that the operator has, each of the type that it must have."""
    attributes = {}
    for attribute in node.attribute:
        if (expected := schema.attributes.get(attribute.name)) is None:
            continue
        if (
            attribute.type != cast(Any, expected.type).value
        ):  # its stub does not say that it is an enumeration
            raise Unreadable(f"{called(node)} has an attribute {attribute.name!r} of a wrong type")
        attributes[attribute.name] = helper.get_attribute_value(attribute)
    return attributes


def types_of(
    node: NodeProto,
    schema: defs.OpSchema,
    inputs: Sequence[str],
    scope: Scope,
    opset_imports: Sequence[OperatorSetIdProto],
) -> list[TypeProto]:
    """The types of the node's results, by onnx's rules. Raises Unreadable."""
    # The node reads its inputs by other names than the file's where one of them is an alias.
    renamed = NodeProto()
    renamed.CopyFrom(node)
    renamed.ClearField("input")
    renamed.input.extend(inputs)
    types = {name: scope.types[name] for name in inputs if name}
    data = {
        name: numpy_helper.from_array(value)
        for name in inputs
        if name and (value := scope.constants.get(name)) is not None
    }
    try:
        found = shape_inference.infer_node_outputs(
            schema,
            renamed,
            types,
            data,
            opset_imports=list(opset_imports),
            ir_version=onnx.IR_VERSION,
        )
    except (
        shape_inference.InferenceError,
        checker.ValidationError,
        RuntimeError,
        ValueError,
    ) as error:
        raise Unreadable(f"{called(node)} does not fit its inputs: {first_line(error)}") from error
    return [found.get(name, TypeProto()) for name in node.output]


def flop_of(
    node: NodeProto,
    inputs: Sequence[str],
    types: Sequence[TypeProto],
    attributes: Mapping[str, Any],
    scope: Scope,
) -> int:
    """The node's own work, without that of bodies. Raises Unreadable."""
    if domain_of(node) != "" or not work.counts(node.op_type):
        return 0
    read = [shape_of(scope.types[name]) if name else None for name in inputs]
    try:
        flop = work.flop(node.op_type, read, [shape_of(type_) for type_ in types], attributes)
    except work.SizeUnknown:
        raise Unreadable(
            f"{called(node)} works on a tensor whose size depends on the data: what it computes"
            " is not known"
        ) from None
    except ValueError as error:
        raise Unreadable(f"{called(node)} has {error}") from None
    return bounded(flop, node)


def bounded(flop: int, node: NodeProto) -> int:
    """The work if it can be counted in 63 bit. Raises Unreadable."""
    if flop > LARGEST:
        raise Unreadable(
            f"{called(node)} would take more than 2^63 FLOP: are the input's dimensions right?"
        )
    return flop
