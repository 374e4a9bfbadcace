#!/bin/sh
# The quick tests (or those that are named) on every supported Python that is installed here.
#
#   tests/pythons.sh                                    all of them, minutes each
#   tests/pythons.sh tests/app/test_queue.py            only these, starts of the job engine among them
#
# Needs the lock's packages, from an index or a cache; the environments are kept in .pythons/ for the next time.
#   PYTHONS="3.13" tests/pythons.sh                     only on these
set -eu
cd "$(dirname "$0")/.."
# pyenv's own commands answer only for the versions that it is told to use; uv asks whatever it finds.
for folder in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
    PATH=$folder:$PATH
done
[ $# -gt 0 ] || set -- -m "not slow and not soak" -n 2
failed=

for version in ${PYTHONS:-3.11 3.12 3.13}; do
    if ! python=$(.venv/bin/uv python find --no-project --system "$version" 2>/dev/null); then
        echo "Python $version: not installed" >&2
        continue
    fi
    here=.pythons/$version
    if [ ! -e "$here/installed" ] || [ requirements-dev.lock -nt "$here/installed" ]; then
        "$python" -m venv --clear "$here"
        "$here/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
        "$here/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
        touch "$here/installed"
    fi
    "$here/bin/python" -c 'import platform, sqlite3
print("Python", platform.python_version(), "with SQLite", sqlite3.sqlite_version)'
    "$here/bin/python" -m pytest --quiet "$@" || failed="$failed $version"
done

[ -z "$failed" ] || { echo "failed on Python$failed" >&2; exit 1; }
