// A real OpenID Connect provider for the tests: oidc-provider, with its own login and consent
// pages, and a few people. Arguments: port, address to send browsers back to, id of its key.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [port, back, kid] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const PEOPLE = {
  ada: { email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace' },
  admin: { email: 'admin@example.com', email_verified: true },
  unsure: { email: 'unsure@example.com', email_verified: false },
  nameless: {},
  careful: { email: 'careful@example.com', email_verified: true, amr: ['pwd', 'otp', 'mfa'] },
};

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'apiverse',
      client_secret: 'a-secret-that-only-the-two-of-them-know',
      redirect_uris: [back],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  jwks: { keys: [jwk] },
  cookies: { keys: ['a key for the tests'] },
  claims: { openid: ['sub', 'amr'], email: ['email', 'email_verified'], profile: ['name'] },
  pkce: { required: () => true },
  async findAccount(_, id) {
    const known = PEOPLE[id];
    return known && { accountId: id, claims: async () => ({ sub: id, ...known }) };
  },
});

// The pages that come with it know people by their names only; how they signed in is told here.
const finish = provider.interactionFinished.bind(provider);
provider.interactionFinished = (request, response, result, options) => {
  const { amr } = PEOPLE[result.login?.accountId] ?? {};
  const login = amr ? { ...result.login, amr } : result.login;
  return finish(request, response, { ...result, ...(login && { login }) }, options);
};

createServer(provider.callback()).listen(Number(port), '127.0.0.1');
