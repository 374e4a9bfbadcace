"""Columns that say the same few things again and again, and cost a number each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.arrow import pa, pc
from solvers.arrays import Integers

# A dictionary of so many entries is not worth a look.
_FEW = 256


def listed(codes: Integers, lists: Sequence[Sequence[str]]) -> pa.ListArray:
    """A column of lists of texts: `lists[code]` of each row, null for -1."""
    known = [*lists, ()]
    lengths = np.array([len(one) for one in known])
    starts = (np.cumsum(lengths) - lengths)[codes]
    offsets = np.concatenate([[0], np.cumsum(lengths[codes])])
    places = np.repeat(starts - offsets[:-1], lengths[codes]) + np.arange(offsets[-1])
    texts = pa.array([text for one in known for text in one], pa.string())
    distinct = texts.dictionary_encode()
    indices = pa.array(distinct.indices.to_numpy()[places].astype(np.int32))
    return pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)),
        pa.DictionaryArray.from_arrays(indices, distinct.dictionary),
        mask=pa.array(codes < 0),
    )


def trimmed(table: pa.Table) -> pa.Table:
    """The same rows, with dictionaries of what they name: a few rows of many networks name few."""
    trim = [_trimmed(column.combine_chunks()) for column in table.columns]
    return pa.table(trim, schema=table.schema)


def _trimmed(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        if len(array.dictionary) <= _FEW:
            return array
        anew = array.dictionary_decode().dictionary_encode()
        indices, values = anew.indices.cast(kind.index_type), anew.dictionary
        return pa.DictionaryArray.from_arrays(indices, values, ordered=kind.ordered)
    if pa.types.is_struct(kind):
        parts = [_trimmed(array.field(n)) for n in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind) and pa.types.is_dictionary(kind.value_type):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        texts = _trimmed(array.flatten())
        return pa.ListArray.from_arrays(offsets, texts, type=kind, mask=array.is_null())
    return array
