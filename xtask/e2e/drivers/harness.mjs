// What the Node drivers share: checks that print a line each, and the witnesses' accounts.

import { appendFileSync } from "node:fs";
import { basename } from "node:path";
import { deepStrictEqual } from "node:assert/strict";

const env = process.env;
export const SERVER = env.E2E_SERVER;
export const WITNESS = env.E2E_WITNESS;
export const SECRET_KEY = env.E2E_SECRET_KEY;
export const PUBLISHABLE_KEY = env.E2E_PUBLISHABLE_KEY;
export const PROVIDER_KEY = env.E2E_PROVIDER_KEY;
export const WRONG_KEY = env.E2E_WRONG_KEY;
const CANARY = env.E2E_PROMPT_CANARY ?? "prompt-canary";
const SCRATCH = env.E2E_SCRATCH ?? "/tmp/byok-e2e";

/** A question with the canary word in it. */
export const question = (text) => `${text} (${CANARY})`;
/** Chat messages with the question. */
export const ask = (text) => [{ role: "user", content: question(text) }];

/** Runs the checks in order, prints a line each, ends the process with 1 when any failed. */
export async function run(group, checks) {
  let failed = 0;
  for (const [sentence, check] of Object.entries(checks)) {
    if (env.E2E_ONLY && !sentence.includes(env.E2E_ONLY)) continue;
    try {
      await check();
      console.log(`ok  ${group}  ${sentence}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${group}  ${sentence}`);
      const place = String(error.stack).split("\n").find((line) => /drivers\/(?!harness)/.test(line));
      for (const line of `${place?.trim() ?? ""}\n${error.message}`.slice(0, 2000).split("\n")) {
        console.log(`      ${line}`);
      }
    }
  }
  process.exit(failed ? 1 : 0);
}

/** Fails unless the two are deeply equal. */
export function same(actual, expected, what = "value") {
  try {
    deepStrictEqual(actual, expected);
  } catch {
    throw new Error(`${what}: got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  }
}

/** Fails with a sentence unless the condition holds. */
export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** The error that the call rejects with; fails unless it is of this kind. Kept as evidence. */
export async function raises(kind, call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    keepEvidence(error);
    if (error.constructor !== kind) {
      throw new Error(`raised ${error.constructor.name} (${error.message}), expected ${kind.name}`);
    }
    return error;
  }
  throw new Error(`did not raise ${kind.name}, answered ${JSON.stringify(answer)?.slice(0, 300)}`);
}

/** Keeps what a caller was shown, for the search for secrets. */
export function keepEvidence(error) {
  const shown = { name: error.name, ...error, message: error.message, headers: undefined, requestBodyValues: undefined };
  appendFileSync(`${SCRATCH}/shown-${basename(process.argv[1])}.log`, `${error.stack}\n${JSON.stringify(shown)}\n`);
}

/** A management answer; fails unless it is 200. */
export async function manage(method, path, body) {
  const answer = await fetch(SERVER + path, {
    method,
    headers: { authorization: `Bearer ${SECRET_KEY}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  same(answer.status, 200, `${method} ${path} (${text.slice(0, 300)})`);
  return JSON.parse(text);
}

/** Connects a customer's provider key. */
export const connect = (refId, providerKey = PROVIDER_KEY, provider = "openai") =>
  manage("POST", "/keys/connect", { provider, refId, providerKey });

/** The call's row in the log; it is written behind the answer, so it may take a moment. */
export async function logRow(requestId) {
  holds(requestId, "no request id");
  for (let left = 100; ; left -= 1) {
    const answer = await fetch(`${SERVER}/logs/${requestId}`, {
      headers: { authorization: `Bearer ${SECRET_KEY}` },
    });
    if (answer.ok) return answer.json();
    holds(left, `no row in the log for ${requestId}: ${answer.status}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** Fails unless the row has these values. */
export function sameRow(row, expected) {
  for (const [name, value] of Object.entries(expected)) same(row[name], value, `log row ${row.id}, ${name}`);
}

/** What passed between the server and the provider since this was made. */
export async function witness() {
  const ask = async (after) => (await fetch(`${WITNESS}/__witness?after=${after}`)).json();
  const { count } = await ask(1e12);
  const all = async () =>
    (await ask(count)).exchanges.map((told) => ({
      ...told,
      request: Buffer.from(told.request, "base64"),
      answer: Buffer.from(told.answer, "base64"),
    }));
  return {
    all,
    async one() {
      const exchanges = await all();
      same(exchanges.length, 1, "calls that reached the provider");
      return exchanges[0];
    },
  };
}

/** Fails unless the provider got the customer's key, once, and nothing of ours. */
export function arrivedClean(exchange, key = PROVIDER_KEY, keyHeader = "authorization") {
  const sent = exchange.headers.filter(([name]) => name === keyHeader).map(([, value]) => value);
  same(sent, [keyHeader === "authorization" ? `Bearer ${key}` : key], `${keyHeader} upstream`);
  for (const [name, value] of exchange.headers) {
    holds(!name.startsWith("x-byo-"), `${name} reached the provider`);
    const credentials = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];
    holds(name === keyHeader || !credentials.includes(name), `${name} reached the provider`);
    holds(!/byo_(sk|pk|ck)_/.test(value), `our token reached the provider in ${name}`);
  }
  holds(!/byo_(sk|pk|ck)_/.test(exchange.request.toString("latin1")), "our token reached the provider in the body");
}

/** The chunks of a chat stream that carry usage and no choice. */
export const usageChunks = (bytes) =>
  bytes
    .toString()
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)))
    .filter((chunk) => chunk.choices?.length === 0 && chunk.usage);
