"""Apache Arrow, loaded when the first table comes or goes: most callers send and read JSON."""

from typing import TYPE_CHECKING

from solvers.later import Later

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import csv, ipc
else:
    csv = Later("pyarrow.csv")
    ipc = Later("pyarrow.ipc")
    pa = Later("pyarrow")
    pc = Later("pyarrow.compute")
    pq = Later("pyarrow.parquet")

LIBRARIES = csv, ipc, pa, pc, pq

__all__ = ["LIBRARIES", "csv", "ipc", "pa", "pc", "pq"]
