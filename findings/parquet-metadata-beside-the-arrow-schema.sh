#!/bin/sh
# Metadata that polars 2.1.0 writes into a Parquet file is not in the schema that pyarrow 26.0.1 reads
# from it, though a file of DuckDB 2.0.1 with the same pair has it there.
#
# Both write the pair into the footer. polars also stores the Arrow schema (the key ARROW:schema), and
# pyarrow then takes the metadata of the table from that schema alone; without a stored schema (DuckDB)
# it takes them from the footer. pyarrow's own ParquetWriter.add_key_value_metadata is lost to
# read_table() in the same way. Who wants the pair whichever tool wrote it reads
# ParquetFile.metadata.metadata.
#
# Seen: polars None, duckdb {b'unit': b'W'}, pyarrow None; in the footer of all three.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import polars
import pyarrow
import pyarrow.parquet

polars.DataFrame({"power": [1.5]}).write_parquet("polars.parquet", metadata={"unit": "W"})
duckdb.sql(
    "copy (select 1.5::double as power) to 'duckdb.parquet'"
    " (format parquet, kv_metadata {unit: 'W'})"
)
table = pyarrow.table({"power": [1.5]})
with pyarrow.parquet.ParquetWriter("pyarrow.parquet", table.schema) as writer:
    writer.write_table(table)
    writer.add_key_value_metadata({"unit": "W"})

seen = {}
for tool in ("polars", "duckdb", "pyarrow"):
    file = pyarrow.parquet.ParquetFile(f"{tool}.parquet")
    assert file.metadata.metadata[b"unit"] == b"W", tool
    seen[tool] = pyarrow.parquet.read_table(f"{tool}.parquet").schema.metadata
    print(tool, seen[tool])
assert seen == {"polars": None, "duckdb": {b"unit": b"W"}, "pyarrow": None}
PYTHON
