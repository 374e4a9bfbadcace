"""What the standard says of a node: its operator, attributes, result types and work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import onnx
from onnx import (
    AttributeProto,
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

from solvers.onnx_reader.fits import misfit
from solvers.onnx_reader.forms import Call, Form
from solvers.onnx_reader.graph import called
from solvers.onnx_reader.network import LARGEST, DoesNotFit, Unreadable, WorkUnknown
from solvers.onnx_reader.runtime_operators import form_of
from solvers.onnx_reader.scope import Scope
from solvers.onnx_reader.shapes import Mac, SizeUnknown
from solvers.onnx_reader.sizes import first_line, shape_of
from solvers.onnx_reader.work import hides_work, standard_mac

_DOMAINS = {"ai.onnx": ""}
# What an attribute may be beside tensors and graphs.
_PLAIN = frozenset(
    {
        AttributeProto.FLOAT,
        AttributeProto.INT,
        AttributeProto.STRING,
        AttributeProto.FLOATS,
        AttributeProto.INTS,
    }
)


def opsets_of(model: ModelProto) -> dict[str, int]:
    """The version of each domain's operators. Raises Unreadable."""
    opsets = {_DOMAINS.get(each.domain, each.domain): each.version for each in model.opset_import}
    newest = defs.onnx_opset_version()
    if opsets and all(domain_of(node) in opsets for node in model.graph.node):
        opsets.setdefault("", newest)  # none of the standard's own
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


@dataclass(frozen=True)
class Operator:
    """What a node is: `schema` if it is one of the standard's, `form` if it is a runtime's own;
    neither where nobody here knows it.
    """

    name: str
    schema: defs.OpSchema | None = None
    form: Form | None = None
    mac: Mac | None = None

    @property
    def hides_work(self) -> bool:
        """Whether it multiplies, or may, and counts 0 all the same."""
        if self.form is not None:
            return self.form.hides_work
        domain, _, name = self.name.rpartition(".")
        return self.schema is None or hides_work(domain, name)


def operator_of(node: NodeProto, opsets: Mapping[str, int]) -> Operator:
    """The node's operator. Raises Unreadable."""
    domain = domain_of(node)
    name = f"{domain}.{node.op_type}" if domain else node.op_type
    form = form_of(domain, node.op_type)
    if domain not in opsets:
        # A runtime knows its own without being told.
        if form is not None:
            return Operator(name, form=form)
        raise Unreadable(
            f"{called(node)} is of the domain {domain!r}, of which the file does not say the"
            " version"
        )
    try:
        schema = defs.get_schema(node.op_type, opsets[domain], domain)
    except defs.SchemaError:
        return Operator(name, form=form)
    return Operator(name, schema, mac=standard_mac(domain, node.op_type))


def require_ports(node: NodeProto, operator: Operator) -> None:
    """Raise Unreadable unless the node has as many inputs and outputs as its operator."""
    schema = operator.schema
    if schema is None:
        return
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


def attributes_of(node: NodeProto, operator: Operator) -> dict[str, Any]:
    """The attributes that the operator has, each of the type that it must have; those of an
    operator beyond the standard as they are.
    """
    attributes = {}
    for attribute in node.attribute:
        if operator.schema is not None:
            if (expected := operator.schema.attributes.get(attribute.name)) is None:
                continue
            if (
                attribute.type != cast(Any, expected.type).value
            ):  # its stub does not say that it is an enumeration
                raise Unreadable(
                    f"{called(node)} has an attribute {attribute.name!r} of a wrong type"
                )
        elif attribute.type not in _PLAIN:
            continue
        attributes[attribute.name] = helper.get_attribute_value(attribute)
    return attributes


def call_of(
    node: NodeProto,
    inputs: Sequence[str],
    attributes: Mapping[str, Any],
    scope: Scope,
    block: int,
) -> Call:
    """The node with what it reads, for an operator of a runtime."""
    return Call(
        [scope.types[name] if name else None for name in inputs],
        [scope.constants.get(name) if name else None for name in inputs],
        attributes,
        len(node.output),
        block,
    )


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
        raise DoesNotFit(f"{called(node)} does not fit its inputs: {first_line(error)}") from error
    return [found.get(name, TypeProto()) for name in node.output]


def own_types_of(node: NodeProto, form: Form, call: Call) -> list[TypeProto]:
    """The types of the results of an operator beyond the standard. Raises Unreadable."""
    try:
        return form.types(call)
    except ValueError as error:
        raise DoesNotFit(f"{called(node)} does not fit its inputs: it has {error}") from None


def require_fit(
    node: NodeProto, inputs: Sequence[str], call: Call, types: Sequence[TypeProto]
) -> None:
    """Raise DoesNotFit unless the node can run with the shapes of its inputs."""
    outputs = [shape_of(type_) for type_ in types]
    try:
        found = misfit(domain_of(node), node.op_type, call.shapes, outputs, call.attributes)
    except (AttributeError, LookupError, TypeError) as error:
        raise Unreadable(f"{called(node)} has attributes that make no sense") from error
    if found is not None:
        raise DoesNotFit(
            f"{called(node)} {found.why}; its data is {inputs[0]!r}",
            inputs[0],
            found.axis,
            found.wanted,
        )
    for type_ in types:
        dims = type_.tensor_type.shape.dim if type_.WhichOneof("value") == "tensor_type" else ()
        if any(dim.dim_value < 0 for dim in dims):
            raise DoesNotFit(
                f"{called(node)} cannot run on {inputs[0]!r}: it is smaller than the kernel or what"
                " is cut off"
            )


def flop_of(node: NodeProto, operator: Operator, call: Call, types: Sequence[TypeProto]) -> int:
    """The node's own work, without that of bodies. Raises Unreadable."""
    outputs = [shape_of(type_) for type_ in types]
    try:
        if operator.mac is not None:
            mac = operator.mac(call.shapes, outputs, call.attributes)
        elif operator.form is not None and operator.form.work is not None:
            mac = operator.form.work(call, outputs)
        else:
            return 0
    except SizeUnknown:
        raise WorkUnknown(
            f"{called(node)} works on a tensor whose size depends on the data: what it computes"
            " is not known"
        ) from None
    except ValueError as error:
        raise Unreadable(f"{called(node)} has {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise Unreadable(f"{called(node)} has attributes or inputs that make no sense") from error
    return bounded(2 * mac, node)


def bounded(flop: int, node: NodeProto) -> int:
    """The work if it can be counted in 63 bit. Raises Unreadable."""
    if flop > LARGEST:
        raise Unreadable(
            f"{called(node)} would take more than 2^63 FLOP: are the input's dimensions right?"
        )
    return flop
