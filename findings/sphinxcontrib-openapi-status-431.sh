#!/usr/bin/env bash
# sphinxcontrib-openapi 0.10.0 with sphinxcontrib-httpdomain 2.2.1 (Sphinx 9.0.4): an OpenAPI document that
# answers 431 cannot be built with warnings as errors. A response is written as a role that looks its number up
# in httpdomain's own table, and that has 429 of RFC 6585 without its siblings 428, 431 and 511, and 425 and 451
# without 421; Python's http.HTTPStatus has all of them. The message ("431 is unknown HTTP status code") names the
# page of Sphinx, not the operation, and no option of the directive leaves a status out.
# Seen: 200, 422, 425, 429 and 451 build; 421, 428, 431 and 511 are refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/docs"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    sphinx==9.0.4 sphinxcontrib-openapi==0.10.0 sphinxcontrib-httpdomain==2.2.1
echo 'extensions = ["sphinxcontrib.openapi"]' >"$folder/docs/conf.py"
builds() { # whether a document that answers this status builds with warnings as errors
    cat >"$folder/docs/openapi.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"},
 "paths": {"/a": {"get": {"summary": "s", "responses": {"$1": {"description": "d"}}}}}}
JSON
    printf 'T\n=\n\n.. openapi:: openapi.json\n' >"$folder/docs/index.rst"
    "$folder/venv/bin/python" -m sphinx -q -E -W "$folder/docs" "$folder/out" >"$folder/log" 2>&1
}
seen=""
for status in 200 422 425 429 451 421 428 431 511; do
    if builds "$status"; then seen+=" $status:built"; else seen+=" $status:refused"; fi
    "$folder/venv/bin/python" -c "import http; http.HTTPStatus($status)"
done
echo "$seen"
[ "$seen" = " 200:built 422:built 425:built 429:built 451:built 421:refused 428:refused 431:refused 511:refused" ]
