// An OpenID Connect provider on loopback, for the tests of logins.
//
// node oidc_provider.mjs NODE_MODULES CALLBACK...
//
// Prints {"issuer": ...} when it listens. Who logs in is said by the header 'x-person' of the
// browser; everybody agrees to everything. It ends when its standard input does.

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, ...callbacks] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(`${modules}/oidc-provider/lib/index.js`)
);

const GROUPS_SCOPE = 'groups';
const DEPENDENT = 'urn:globus:auth:grant_type:dependent_token';
const PEOPLE = {
  kim: {
    name: 'Kim Doe', email: 'kim@lab.example', preferred_username: 'kim@lab.example',
    groups: ['staff', 'a/b'],
    identity_set: [{ sub: 'kim' }, { sub: 'kim.home', username: 'kim@home.example' }],
  },
  ada: { name: 'Ada', preferred_username: 'ada', groups: [{ id: 'g-1', name: 'Readers' }] },
};

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'catalog', client_secret: 'a secret: with signs', redirect_uris: callbacks,
      grant_types: ['authorization_code', 'refresh_token', DEPENDENT],
    },
    {
      client_id: 'command-line', application_type: 'native', token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: [
        'authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code',
      ],
    },
    {
      client_id: 'stranger', application_type: 'native', token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
    },
  ],
  scopes: ['openid', 'offline_access', 'profile', 'email', GROUPS_SCOPE],
  claims: {
    openid: ['sub', 'groups', 'identity_set'], email: ['email'],
    profile: ['name', 'preferred_username'],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ['a key of the tests'] },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
  },
  issueRefreshToken: (ctx, client, code) => code.scopes.has('offline_access'),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => provider.Grant.find(
    await agreed(ctx.oidc.client.clientId, ctx.oidc.session.accountId),
  ),
  ttl: { AccessToken: 600, DeviceCode: 30, IdToken: 600 },
});

async function agreed(clientId, accountId) {
  const grant = new provider.Grant({ clientId, accountId });
  grant.addOIDCScope(`openid offline_access profile email ${GROUPS_SCOPE}`);
  return grant.save();
}

// Globus' way to a token for another service on behalf of the bearer of one.
provider.registerGrantType(DEPENDENT, async (ctx) => {
  const found = await ctx.oidc.provider.AccessToken.find(ctx.oidc.params.token);
  ctx.body = found ? [{ access_token: `groups-of-${found.accountId}`, scope: GROUPS_SCOPE }] : [];
}, ['token'], []);

provider.use(async (ctx, next) => {
  if (ctx.path === '/groups') {
    const person = (ctx.get('authorization').match(/^Bearer groups-of-(\w+)$/) ?? [])[1];
    ctx.status = person ? 200 : 401;
    ctx.body = person ? [{ id: `team-of-${person}`, name: 'Team' }] : { error: 'invalid_token' };
    return;
  }
  if (ctx.path === '/stop') {
    ctx.status = 204;
    setImmediate(() => { server.close(); server.closeAllConnections(); });
    return;
  }
  const interaction = ctx.path.match(/^\/interaction\/[\w-]+$/);
  if (interaction) {
    const person = ctx.get('x-person');
    const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
    let result = { error: 'access_denied', error_description: 'said no' };
    if (person && prompt.name === 'login') {
      result = { login: { accountId: person } };
    } else if (person) {
      result = { consent: { grantId: await agreed(params.client_id, session.accountId) } };
    }
    await provider.interactionFinished(ctx.req, ctx.res, result);
    ctx.respond = false;
    return;
  }
  await next();
  if (ctx.oidc?.route === 'device_authorization') {
    ctx.body.interval = 0.2;
  }
  if (ctx.oidc?.route === 'token' && ctx.oidc.params.grant_type === 'authorization_code'
      && ctx.body?.access_token) {
    const person = ctx.oidc.entities.Account?.accountId;
    ctx.body.other_tokens = [{ access_token: `groups-of-${person}`, scope: GROUPS_SCOPE }];
  }
});

provider.on('server_error', (ctx, error) => console.error(error));
server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.on('end', () => process.exit(0)).resume();
