"""Every benchmark, one after the other."""

from benchmarks import http, measurement, multiuser, robust, robust_figures, robust_reference, stopping

for benchmark in (robust, http, robust_reference, robust_figures, stopping, multiuser, measurement):
    print(f"## {benchmark.__name__}\n")
    benchmark.main()
