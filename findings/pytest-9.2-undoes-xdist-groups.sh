#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: --dist=loadgroup says nothing and groups nothing. xdist tells a
# test's group by appending "@group" to the item's private id; since 9.2 the id that is reported comes from
# elsewhere. With pytest 9.1.1 the same xdist keeps a group in one process. No warning in either: it is
# seen only in ids (-v) without "@", or in fixtures of a session that are made in every process.
# Seen: 9.1.1: six cases "@hall", 1 process; 9.2.0: six cases without a group, 2 processes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/test_group.py" <<'PY'
import time

import pytest

pytestmark = pytest.mark.xdist_group("hall")


@pytest.mark.parametrize("case", range(6))
def test_case(case):
    time.sleep(0.3)
PY
seen() { # which pytest: "cases with a group, processes"
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0 execnet==2.1.2
    (cd "$folder" && "$folder/$1/bin/python" -m pytest -v -n 2 --dist=loadgroup -p no:cacheprovider -c /dev/null --rootdir . test_group.py) >"$folder/$1.log"
    echo "$(grep -c 'PASSED.*@hall' "$folder/$1.log" || true) $(grep -o '^\[gw[01]\]' "$folder/$1.log" | sort -u | wc -l)"
}
before=$(seen 9.1.1)
after=$(seen 9.2.0)
echo "pytest 9.1.1: $before; pytest 9.2.0: $after (cases with a group, processes)"
[ "$before" = "6 1" ] && [ "$after" = "0 2" ]
