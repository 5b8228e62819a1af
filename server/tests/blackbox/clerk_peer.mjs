// Clerk for the tests: its keys, a part of its Backend API, its hosted page and its handshake. What
// is signed is signed by Clerk's own package (@clerk/backend) and by Svix' (svix).
// Arguments: port, origin of the installation, its secret for reports.
import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { signJwt, verifyJwt } from '@clerk/backend/jwt';
import { Webhook } from 'svix';

const [port, origin, secret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

let fetched = 0;
let keys = [];
function roll() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys = [{ kid: `ins_${keys.length}_${Date.now()}`, privateKey }];
}
roll();

const jwk = (key) => ({
  ...createPublicKey(key.privateKey).export({ format: 'jwk' }),
  kid: key.kid,
  use: 'sig',
  alg: 'RS256',
});

const person = (id, email, status, rest) => ({
  id,
  object: 'user',
  first_name: 'Grace',
  last_name: 'Hopper',
  primary_email_address_id: 'idn_1',
  email_addresses: [
    { id: 'idn_1', object: 'email_address', email_address: email, verification: { status } },
  ],
  updated_at: 1,
  banned: false,
  locked: false,
  ...rest,
});
const PEOPLE = {
  user_grace: person('user_grace', 'grace@example.com', 'verified'),
  user_joan: person('user_joan', 'joan@example.com', 'verified'),
  user_admin: person('user_admin', 'admin@example.com', 'verified'),
  user_unsure: person('user_unsure', 'unsure@example.com', 'unverified'),
  user_banned: person('user_banned', 'banned@example.com', 'verified', { banned: true }),
};

function claims(changes) {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    v: 2,
    iss: issuer,
    sub: 'user_grace',
    sid: 'sess_1',
    azp: origin,
    iat: now,
    nbf: now - 10,
    // Theirs live for a minute; no test is to depend on its speed.
    exp: now + 3600,
    jti: 'a1b2c3',
    sts: 'active',
    fva: [0, -1],
    ...changes,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

async function sign(payload, key = keys[0], header = {}) {
  const pem = key.privateKey.export({ format: 'pem', type: 'pkcs8' });
  const all = { alg: 'RS256', typ: 'JWT', cat: 'cl_B7d4PD111AAA', kid: key.kid, ...header };
  return signJwt(payload, pem, { algorithm: 'RS256', header: all });
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function forge(kind) {
  const payload = base64url(claims({}));
  const pem = createPublicKey(keys[0].privateKey).export({ format: 'pem', type: 'spki' });
  switch (kind) {
    case 'none':
      return `${base64url({ alg: 'none', typ: 'JWT', kid: keys[0].kid })}.${payload}.`;
    case 'hs256': {
      const head = base64url({ alg: 'HS256', typ: 'JWT', kid: keys[0].kid });
      const mac = createHmac('sha256', pem).update(`${head}.${payload}`).digest('base64url');
      return `${head}.${payload}.${mac}`;
    }
    case 'altered': {
      const [head, , signature] = (await sign(claims({}))).split('.');
      return `${head}.${base64url(claims({ sub: 'user_admin' }))}.${signature}`;
    }
    case 'other-key': {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      return sign(claims({}), { kid: keys[0].kid, privateKey });
    }
    case 'unknown-key': {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      return sign(claims({}), { kid: `ins_made_up_${Math.random()}`, privateKey });
    }
    default:
      throw new Error(kind);
  }
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

async function answer(request) {
  const url = new URL(request.url, issuer);
  const path = url.pathname;
  const back = url.searchParams.get('redirect_url');
  if (path === '/.well-known/jwks.json') {
    fetched += 1;
    return { json: { keys: keys.map(jwk) } };
  }
  if (path.startsWith('/v1/users/')) {
    if (request.headers.authorization !== 'Bearer sk_test_for_the_tests') return { status: 401 };
    const found = PEOPLE[path.slice('/v1/users/'.length)];
    return found ? { json: found } : { status: 404 };
  }
  if (path === '/sign-in') {
    return { status: 302, location: `${back}&__clerk_db_jwt=dvb_1` };
  }
  if (path === '/v1/client/handshake') {
    if (url.searchParams.get('__clerk_db_jwt') !== 'dvb_1') return { status: 400 };
    const token = await sign(claims({ sid: 'sess_browser' }));
    const handshake = await sign({ handshake: [`__client_uat=1; Path=/`, `__session=${token}; Path=/`] });
    return { status: 302, location: `${back}&__clerk_handshake=${handshake}` };
  }
  // What the tests ask for.
  const asked = await body(request);
  switch (path) {
    case '/test/token': {
      const token = await sign(claims(asked));
      return { json: { token } };
    }
    case '/test/official': {
      const key = createPublicKey(keys[0].privateKey).export({ format: 'jwk' });
      const options = { key: { ...key, kid: keys[0].kid }, authorizedParties: [origin] };
      try {
        await verifyJwt(asked.token, options);
        return { json: { accepted: true } };
      } catch {
        return { json: { accepted: false } };
      }
    }
    case '/test/forge':
      return { json: { token: await forge(asked.kind) } };
    case '/test/roll':
      roll();
      return { json: {} };
    case '/test/fetched':
      return { json: { fetched } };
    case '/test/svix': {
      const at = new Date(asked.at * 1000);
      return { json: { signature: new Webhook(asked.secret ?? secret).sign(asked.id, at, asked.body) } };
    }
    default:
      return { status: 404 };
  }
}

createServer(async (request, response) => {
  try {
    const { status = 200, json, location } = await answer(request);
    const headers = { 'content-type': 'application/json' };
    if (location) headers.location = location;
    response.writeHead(status, headers).end(json === undefined ? '{}' : JSON.stringify(json));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
}).listen(Number(port), '127.0.0.1');
