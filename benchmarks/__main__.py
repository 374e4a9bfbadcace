"""Every benchmark, one after the other."""

from benchmarks import (
    columns,
    http,
    measured_plan,
    measurement,
    multiuser,
    profiler,
    robust,
    robust_figures,
    robust_reference,
    splits,
    stopping,
)

for benchmark in (
    robust,
    http,
    columns,
    robust_reference,
    robust_figures,
    stopping,
    multiuser,
    measurement,
    splits,
    profiler,
    measured_plan,
):
    print(f"## {benchmark.__name__}\n")
    benchmark.main()
