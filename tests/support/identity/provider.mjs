// An OpenID Connect provider for tests: oidc-provider as it is, with one resource, programs that ask
// for tokens, and a person who logs in. Told what to do by lines of JSON, each of which it answers.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const [module] = process.argv.slice(2);
const { default: Provider } = await import(module);
const SCOPES = 'splitplan:read splitplan:plan splitplan:admin';
const program = (client_id, more) => ({
  client_id,
  client_secret: `secret of ${client_id}`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  ...more,
});

let handle = null; // nobody answers until there are keys
let issuer;
const answer = (request, response) => handle?.(request, response);
let server = createServer(answer);

function provide(keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      program('controller'),
      program('hall'),
      {
        client_id: 'console',
        client_secret: 'secret of console',
        redirect_uris: ['http://127.0.0.1:9/back'],
      },
    ],
    clientDefaults: { id_token_signed_response_alg: keys[0].alg },
    claims: { openid: ['sub'] },
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource, { clientId }) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: keys[0].alg } },
        }),
        useGrantedResource: () => true,
      },
    },
    extraTokenClaims: (_, token) => ({ team: token.clientId === 'hall' ? 'hall' : 'default' }),
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    pkce: { required: () => false },
    cookies: { keys: ['of a test'] },
    ttl: { ClientCredentials: 600, AccessToken: 600 },
  });
  provider.on('server_error', (_, failure) => console.error(failure));
  handle = provider.callback();
}

const orders = {
  keys: ({ keys }) => provide(keys),
  silence: () => (handle = null),
  down: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  up: () => new Promise((done) => {
    server = createServer(answer).listen(Number(new URL(issuer).port), '127.0.0.1', done);
  }),
};

server.listen(0, '127.0.0.1', async () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ issuer }));
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    await orders[order.do](order);
    console.log(JSON.stringify({ done: order.do }));
  }
  process.exit();
});
