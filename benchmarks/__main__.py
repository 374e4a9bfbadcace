"""Every benchmark, one after the other, or those that are named: `python -m benchmarks power`."""

import sys

from benchmarks import (
    columns,
    evidence,
    http,
    margins,
    measured_plan,
    measurement,
    multiuser,
    pages,
    power,
    profiler,
    published_cuts,
    robust,
    robust_figures,
    robust_reference,
    robust_servers,
    sharing,
    splits,
    stopping,
    worth,
)

BENCHMARKS = {
    benchmark.__name__.rpartition(".")[2]: benchmark
    for benchmark in (
        robust,
        http,
        columns,
        robust_reference,
        robust_servers,
        robust_figures,
        stopping,
        multiuser,
        pages,
        measurement,
        power,
        published_cuts,
        sharing,
        splits,
        profiler,
        measured_plan,
        evidence,
        margins,
        worth,
    )
}
if unknown := set(sys.argv[1:]) - set(BENCHMARKS):
    sys.exit(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
for name in sys.argv[1:] or BENCHMARKS:
    print(f"## {BENCHMARKS[name].__name__}\n")
    BENCHMARKS[name].main()
