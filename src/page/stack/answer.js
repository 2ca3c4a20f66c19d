// Answers every path and every method with 503, whatever is asked for: before the cache as `viewer-request`, after it as
// `viewer-response`. Only robots.txt (a 5xx there stops all crawling) and the status, which the page looks at, pass.

// What whoever sent something gets: no bucket is asked, since S3 would refuse the method.
const SENT_HTML = SENDER_HTML;
const SENT_PROBLEM = SENDER_PROBLEM;
const LANGUAGES = SPOKEN;
const PASSES = { '/robots.txt': '/robots.txt', '/status.json': '/status.json', '/.well-known/roadworks': '/status.json' };

function handler(event) {
  const request = event.request;
  const passes = reads(request) && PASSES[request.uri];
  if (event.response) {
    return passes ? event.response : refused(event, event.response);
  }
  if (passes) {
    request.uri = passes;
    return whole(request);
  }
  if (reads(request)) {
    request.uri = page(request);
    return whole(request);
  }
  const program = wantsProblem(request);
  return refused(event, {
    headers: { 'content-type': { value: program ? 'application/problem+json' : 'text/html; charset=utf-8' } },
    body: { encoding: 'text', data: program ? SENT_PROBLEM : SENT_HTML },
  });
}

function reads(request) {
  return request.method === 'GET' || request.method === 'HEAD';
}

// A 304 or a 206 would become a 503 without the page, or with a part of it.
function whole(request) {
  ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range'].forEach(function (name) {
    delete request.headers[name];
  });
  request.querystring = {};
  return request;
}

function value(request, name) {
  const header = request.headers[name];
  return header ? header.value.toLowerCase() : '';
}

// The page's object: in which form, in which language, and packed how.
function page(request) {
  let name = 'problem.json';
  if (!wantsProblem(request)) {
    const accept = value(request, 'accept');
    const text = accept.indexOf('text/plain') >= 0 && accept.indexOf('html') < 0;
    name = language(request) + (text ? '.txt' : '.html');
  }
  const packed = value(request, 'accept-encoding');
  const can = function (coding) {
    return packed.split(',').some(function (one) {
      const parts = one.split(';');
      return parts[0].trim() === coding && !/^\s*q=0(\.0*)?\s*$/.test(parts[1] || '');
    });
  };
  return '/' + name + (can('br') ? '.br' : can('gzip') ? '.gz' : '');
}

function wantsProblem(request) {
  const accept = value(request, 'accept');
  if (accept.indexOf('html') >= 0) {
    return false;
  }
  if (accept.indexOf('json') >= 0) {
    return true;
  }
  const anything = accept === '' || accept.indexOf('*/*') >= 0;
  const sent = value(request, 'content-type').indexOf('json') >= 0 || value(request, 'x-requested-with') !== '';
  return anything && value(request, 'sec-fetch-mode') !== 'navigate' && (sent || request.uri.indexOf('/api/') === 0);
}

// The first of the visitor's languages that the page speaks, by their weights (RFC 9110 section 12.5.4).
function language(request) {
  let best = 'en';
  let most = 0;
  value(request, 'accept-language').split(',').forEach(function (one) {
    const parts = one.trim().split(';');
    const tag = parts[0].trim().split('-')[0];
    const weight = /^\s*q=/.test(parts[1] || '') ? Number(parts[1].trim().slice(2)) : 1;
    const known = tag === 'iw' ? 'he' : tag;
    if (LANGUAGES.indexOf(known) >= 0 && weight > most) {
      best = known;
      most = weight;
    }
  });
  return best;
}

function refused(event, response) {
  const headers = response.headers;
  response.statusCode = 503;
  response.statusDescription = 'Service Unavailable';
  // A different wait for each, so that they do not come back together.
  headers['retry-after'] = { value: String(120 + Math.floor(Math.random() * 31)) };
  headers['cache-control'] = { value: 'no-store' };
  headers['vary'] = { value: 'accept, accept-encoding, accept-language, origin' };
  headers['roadworks-mode'] = { value: 'detour' };
  const origin = event.request.headers.origin;
  if (origin) {
    headers['access-control-allow-origin'] = { value: origin.value };
    headers['access-control-expose-headers'] = { value: 'retry-after, roadworks-mode' };
    if (event.request.headers.authorization || Object.keys(event.request.cookies || {}).length > 0) {
      headers['access-control-allow-credentials'] = { value: 'true' };
    }
  }
  // With them a browser would ask next time whether this is still so, and keep it.
  ['etag', 'last-modified', 'expires', 'accept-ranges'].forEach(function (name) {
    delete headers[name];
  });
  return response;
}
