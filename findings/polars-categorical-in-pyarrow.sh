#!/bin/sh
# A Categorical or Enum of polars 2.1.0 is a type that pyarrow 26.0.1 takes in and then can do
# nothing with: a dictionary of `string_view`.
#
# `pa.table(frame)` succeeds (polars hands over string_view and indices of 32 bits without a sign).
# After that the column can be neither cast to a text, nor decoded, nor written to Parquet: pyarrow
# has no kernel that takes values of a string_view by an index. unique(), group_by() and IPC do work,
# so it is found out late, where the table is stored. The way out is to cast the dictionary first
# and put it together again; frame.to_arrow() (large_string) has no such column.
#
# Seen: dictionary<values=string_view, indices=uint32, ordered=0>, and ArrowNotImplementedError
# three times.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import io

import polars
import pyarrow
import pyarrow.parquet

frame = polars.DataFrame({"board": ["pi-4", "nano"]}).cast({"board": polars.Categorical})
table = pyarrow.table(frame)
column = table["board"]
print(column.type)
assert str(column.type) == "dictionary<values=string_view, indices=uint32, ordered=0>"
tries = {
    "cast": lambda: column.cast(pyarrow.string()),
    "decode": lambda: column.combine_chunks().dictionary_decode(),
    "parquet": lambda: pyarrow.parquet.write_table(table, io.BytesIO()),
}
for name, attempt in tries.items():
    try:
        attempt()
    except pyarrow.ArrowNotImplementedError as refused:
        print(f"{name}: ArrowNotImplementedError: {refused}")
    else:
        raise SystemExit(f"{name} works now")

index = column.chunk(0).indices.cast(pyarrow.int32())
again = pyarrow.DictionaryArray.from_arrays(
    index, column.chunk(0).dictionary.cast(pyarrow.string())
)
assert again.cast(pyarrow.string()).to_pylist() == ["pi-4", "nano"]
assert frame.to_arrow().schema.field("board").type.value_type == pyarrow.large_string()
PYTHON
