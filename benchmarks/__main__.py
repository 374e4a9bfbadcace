"""Every benchmark, one after the other."""

from benchmarks import http, multiuser, robust, robust_figures, robust_reference, stopping

for benchmark in (robust, http, robust_reference, robust_figures, stopping, multiuser):
    print(f"## {benchmark.__name__}\n")
    benchmark.main()
