// A receiver of webhooks for the tests. What is signed is checked by Svix' own package (svix).
// Argument: port. PUT /secret says what calls are signed with; GET /taken lists what came; of each
// webhook-id the first call is answered with 503.
import { createServer } from 'node:http';
import { Webhook } from 'svix';

const [port] = process.argv.slice(2);
let secret = '';
const taken = [];

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString();
  if (request.url === '/taken') {
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(taken));
  }
  if (request.url === '/secret') {
    secret = body;
    return response.writeHead(204).end();
  }
  const id = request.headers['webhook-id'];
  let event;
  let wrong = null;
  try {
    event = new Webhook(secret).verify(body, request.headers);
  } catch (error) {
    wrong = String(error);
  }
  const isFirst = !taken.some((one) => one.id === id);
  taken.push({ id, wrong, event, path: request.url });
  response.writeHead(isFirst ? 503 : 204).end();
}).listen(Number(port), '127.0.0.1');
