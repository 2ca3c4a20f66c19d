// One request by Node's fetch: node ask.mjs URL METHOD. It tells what ask.py tells.
const [url, method] = process.argv.slice(2);
const answer = await fetch(url, { method, body: method === "POST" ? "hi" : undefined });
const told = (name) => answer.headers.get(name) ?? "-";
console.log(`${answer.status} ${told("retry-after")} ${told("content-length")}\n`);
process.stdout.write(await answer.text());
