"""Every benchmark, one after the other."""

from benchmarks import http, robust

for benchmark in (robust, http):
    print(f"## {benchmark.__name__}\n")
    benchmark.main()
