"""Samples as compressed columns."""

import io
from dataclasses import fields

import numpy as np

from solvers.measurement.samples import Samples


def pack(samples: Samples) -> bytes:
    """Samples as compressed columns."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, **{field.name: getattr(samples, field.name) for field in fields(samples)}
    )
    return buffer.getvalue()


def unpack(content: bytes) -> Samples:
    """What `pack` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        return Samples(**{field.name: columns[field.name] for field in fields(Samples)})
