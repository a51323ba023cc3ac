// Stands between the server and the provider and remembers every byte that passed, both ways.
//
// The provider's own journal redacts credentials and keeps no bodies of answers; a test that says
// "this is what the provider received" and "this is what it sent" needs both. Nothing is changed.
//
//   node witness.mjs http://127.0.0.1:PROVIDER
//
// prints `listening on http://127.0.0.1:PORT`. `GET /__witness?after=N` answers with the exchanges
// after the N-th, each with its raw headers and base64 bodies; `DELETE /__witness` forgets them.

import http from "node:http";

const provider = new URL(process.argv[2]);
const agent = new http.Agent({ keepAlive: true });
const hopByHop = new Set(["connection", "keep-alive", "transfer-encoding", "te", "upgrade"]);

let exchanges = [];
let count = 0;

function endToEnd(rawHeaders) {
  const kept = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!hopByHop.has(rawHeaders[i].toLowerCase())) kept.push(rawHeaders[i], rawHeaders[i + 1]);
  }
  return kept;
}

function pairs(rawHeaders) {
  const list = [];
  for (let i = 0; i < rawHeaders.length; i += 2) list.push([rawHeaders[i].toLowerCase(), rawHeaders[i + 1]]);
  return list;
}

function told(exchange) {
  const { request, answer, ...rest } = exchange;
  return {
    ...rest,
    request: Buffer.concat(request).toString("base64"),
    answer: Buffer.concat(answer).toString("base64"),
  };
}

function control(req, res) {
  if (req.method === "DELETE") {
    exchanges = [];
    res.writeHead(204).end();
    return;
  }
  const after = Number(new URL(req.url, "http://witness").searchParams.get("after") ?? 0);
  res.writeHead(200, { "content-type": "application/json" });
  res.end(JSON.stringify({ count, exchanges: exchanges.filter((e) => e.number > after).map(told) }));
}

const server = http.createServer((req, res) => {
  if (req.url.startsWith("/__witness")) return control(req, res);
  const exchange = {
    number: ++count,
    method: req.method,
    path: req.url,
    headers: pairs(req.rawHeaders),
    request: [],
    status: null,
    answerHeaders: [],
    answer: [],
    complete: false,
    leftAfterMs: null,
  };
  exchanges.push(exchange);
  const begun = Date.now();
  const outgoing = http.request(
    {
      host: provider.hostname,
      port: provider.port,
      method: req.method,
      path: req.url,
      agent,
      headers: endToEnd(req.rawHeaders),
    },
    (incoming) => {
      exchange.status = incoming.statusCode;
      exchange.answerHeaders = pairs(incoming.rawHeaders);
      res.writeHead(incoming.statusCode, incoming.statusMessage, endToEnd(incoming.rawHeaders));
      incoming.on("data", (chunk) => {
        exchange.answer.push(chunk);
        res.write(chunk);
      });
      incoming.on("end", () => {
        exchange.complete = true;
        res.end();
      });
      // A provider that breaks off must look broken off to the server too.
      incoming.on("error", () => res.destroy());
      incoming.on("aborted", () => res.destroy());
    },
  );
  outgoing.on("error", () => res.destroy());
  req.on("data", (chunk) => {
    exchange.request.push(chunk);
    outgoing.write(chunk);
  });
  req.on("end", () => outgoing.end());
  res.on("close", () => {
    if (res.writableFinished) return;
    exchange.leftAfterMs = Date.now() - begun;
    outgoing.destroy();
  });
});

server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
