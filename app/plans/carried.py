"""What carries a decision out, as answers tell it: which network on which device, split where.

All of it is left out of plans of earlier releases.
"""

from typing import Annotated

from pydantic import Field

from app.quantities import Body, Count, absent

Cut = Annotated[
    Count,
    Field(
        description="Position of the cut in the model's list of cuts, from 0: the layers before it"
        " run on the device."
    ),
]
CutName = Annotated[str, Field(description="What the model's list of cuts calls this cut.")]
Clock = Annotated[
    float, Field(description="Clock at which the device is to run its layers, in Hz.")
]
UserOfPlan = Annotated[
    str, Field(description="The `id` that the request gave this user, unique in the plan.")
]


class RunsOnDevice(Body):
    """Which network a user runs, and on what."""

    model: str | None = absent()
    """`name@revision` of the network, or `inline:name` for a body sent with the request."""
    device: str | None = absent()
    """`name@revision` of the device, or `inline:name` for a body sent with the request."""


class NamedPartition(Body):
    """A cut by a name that no other network, and no other cut, has."""

    partition_id: str | None = absent()
    """The stable name of this cut of this network: 32 hexadecimal digits that a device can compute
    by itself (docs/verification.md); null where there is no cut.
    """


class SplitNetwork(NamedPartition):
    """Where a network is split, and what its halves hand over."""

    tensors: list[str] | None = absent()
    """Names of the tensors that cross the cut: none after the last layer; null where the model does
    not say.
    """


class SplitTable(Body):
    """A decision table whose rows name partitions."""

    tensors: dict[str, list[str] | None] | None = absent()
    """Names of the tensors that cross at each `partition_id` of the rows; null where the model does
    not say.
    """
