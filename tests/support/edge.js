// An edge in front of a folder: a viewer's request through the function of `page init`, the folder as a bucket would
// answer it, and the answer through the function again (CloudFront Developer Guide, "Event structure").
//
//   node edge.js FUNCTION FOLDER HOST [CERTIFICATE KEY]      prints its port
const fs = require('fs');
const path = require('path');

const [code, folder, host, certificate, key] = process.argv.slice(2);
const handler = new Function(fs.readFileSync(code, 'utf8') + '\nreturn handler;')();
const files = JSON.parse(fs.readFileSync(path.join(folder, 'files.json'), 'utf8')).files;

function event(type, asked, request) {
  return { version: '1.0', context: { eventType: type, requestId: 'r' }, viewer: { ip: '127.0.0.1' }, request };
}

function seen(asked) {
  const headers = {};
  Object.keys(asked.headers).forEach((name) => { headers[name] = { value: String(asked.headers[name]) }; });
  return { method: asked.method, uri: asked.url.split('?')[0], querystring: {}, headers, cookies: {} };
}

// S3 by an origin access control: it reads, and knows nothing else.
function bucket(request) {
  const found = files.find((file) => '/' + file.name === request.uri);
  if (!found || (request.method !== 'GET' && request.method !== 'HEAD')) {
    return { statusCode: 403, headers: {}, content: Buffer.from('<Error/>') };
  }
  const headers = {
    'content-type': { value: found.content_type }, 'cache-control': { value: found.cache_control }, etag: { value: '"e"' },
  };
  if (found.content_encoding) headers['content-encoding'] = { value: found.content_encoding };
  const whole = fs.readFileSync(path.join(folder, found.name));
  if (request.headers['if-modified-since']) return { statusCode: 304, headers, content: Buffer.alloc(0) };
  if (request.headers.range) return { statusCode: 206, headers, content: whole.subarray(0, 10) };
  return { statusCode: 200, headers, content: whole };
}

function answer(asked, reply) {
  if (asked.headers.host !== host) {
    reply.writeHead(403, { 'content-type': 'text/html' });
    return reply.end('the request could not be satisfied');
  }
  let response = handler(event('viewer-request', asked, seen(asked)));
  if (response.uri) {
    const request = response;
    response = bucket(request);
    if (response.statusCode < 400) {
      const { content } = response;
      response = handler({ ...event('viewer-response', asked, request), response: { ...response, cookies: {} } });
      response.content = content;
    }
  } else {
    response.content = Buffer.from(response.body.data);
  }
  const headers = { 'content-length': response.content.length };
  Object.keys(response.headers).forEach((name) => { headers[name] = response.headers[name].value; });
  reply.writeHead(response.statusCode, headers);
  reply.end(asked.method === 'HEAD' ? undefined : response.content);
}

const server = certificate
  ? require('https').createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, answer)
  : require('http').createServer(answer);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
