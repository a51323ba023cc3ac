// npm `@google/genai` at base URL `/google`. What the mock provider lacks (token counts, batched
// embeddings, models, thoughts) is driven from Python, see google_client.py.

import { ApiError, GoogleGenAI } from "@google/genai";
import {
  SECRET_KEY, SERVER, WRONG_KEY,
  arrivedClean, ask, connect, holds, logRow, raises, run, same, sameRow, witness,
} from "./harness.mjs";

const REF = "google-node";
const REFUSED = "google-node-refused";
const MODEL = "gemini-2.5-flash";
const client = (refId = REF, apiKey = SECRET_KEY) =>
  new GoogleGenAI({
    apiKey,
    httpOptions: { baseUrl: `${SERVER}/google`, headers: refId ? { "X-BYO-Ref-Id": refId } : {}, timeout: 30_000 },
  });

const asked = (text, more = {}) => ({ model: MODEL, contents: ask(text)[0].content, ...more });
const declared = [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: { type: "object" } }] }];

/** The request id of an answer with the headers that every answer carries. */
function answeredWell(answer) {
  const headers = new Headers(answer.sdkHttpResponse.headers);
  same(headers.get("x-byo-key-source"), "byok", "x-byo-key-source");
  same(headers.get("x-byo-provider"), "google", "x-byo-provider");
  const id = headers.get("x-request-id");
  holds(id, "no x-request-id");
  return id;
}

await run("node-google", {
  "two customers are connected, a wrong key is told": async () => {
    // The mock provider has no list of models to try the key at, but it knows a wrong key.
    same((await connect(REF, undefined, "google")).status, "unverified", "status");
    same((await connect(REFUSED, WRONG_KEY, "google")).status, "invalid", "status");
  },

  "generate: key, path, usage and cost": async () => {
    const seen = await witness();
    const answer = await client().models.generateContent(asked("say hello"));
    const exchange = await seen.one();
    arrivedClean(exchange, undefined, "x-goog-api-key");
    same(exchange.path, `/v1beta/models/${MODEL}:generateContent`, "path upstream");
    holds(answer.text.startsWith("Hello from the provider"), `text: ${answer.text}`);
    sameRow(await logRow(answeredWell(answer)), {
      refId: REF, provider: "google", operation: "generateContent", model: MODEL, streamed: false,
      success: true, inputTokens: 1234, outputTokens: 567, totalTokens: 1801, costUsd: 0.0017877,
    });
  },

  "streamed: every chunk, counted": async () => {
    const seen = await witness();
    let text = "";
    let first;
    for await (const chunk of await client().models.generateContentStream(asked("answer in many scripts"))) {
      first ??= chunk;
      text += chunk.text ?? "";
    }
    same((await seen.one()).path, `/v1beta/models/${MODEL}:streamGenerateContent?alt=sse`, "path upstream");
    holds(text.startsWith("Grüße, 世界!") && text.endsWith("\r\nend"), `text: ${text}`);
    sameRow(await logRow(answeredWell(first)), {
      streamed: true, success: true, inputTokens: 21, outputTokens: 43, costUsd: 0.0001138,
    });
  },

  "function calls arrive": async () => {
    const answer = await client().models.generateContent(asked("weather in Oslo", { config: { tools: declared } }));
    same([answer.functionCalls[0].name, answer.functionCalls[0].args], ["get_weather", { city: "Oslo" }], "call");
  },

  "what the mock provider does not know passes with its own refusal": async () => {
    for (const [path, call] of [
      ["countTokens", () => client().models.countTokens(asked("count me"))],
      ["batchEmbedContents", () => client().models.embedContent(asked("embed me"))],
    ]) {
      const seen = await witness();
      same((await raises(ApiError, call)).status, 404, "status");
      same((await seen.one()).path, `/v1beta/models/${MODEL}:${path}`, "path upstream");
    }
  },

  "a wrong provider key and a wrong token are told apart": async () => {
    const error = await raises(ApiError, () => client(REFUSED).models.generateContent(asked("say hello")));
    holds(error.status === 401 && !error.message.includes(WRONG_KEY), `error: ${error.message}`);
    const ours = await raises(ApiError, () => client(REF, "byo_sk_live_nobodys").models.generateContent(asked("hi")));
    same([ours.status, JSON.parse(ours.message).error.status], [401, "UNAUTHENTICATED"], "ours");
  },

  "ours in Google's shape: no refId, no key": async () => {
    for (const [refId, status, words] of [[null, 400, "X-BYO-Ref-Id"], ["nobody", 404, "/keys/connect"]]) {
      const error = await raises(ApiError, () => client(refId).models.generateContent(asked("say hello")));
      const told = JSON.parse(error.message).error;
      same([error.status, told.code], [status, status], "status");
      holds(told.message.includes(words), `message: ${told.message}`);
    }
  },

  "the provider's refusals keep their status: 429, 500, 404": async () => {
    for (const [text, status] of [["limit my rate", 429], ["fail inside", 500], ["use a retired model", 404]]) {
      same((await raises(ApiError, () => client().models.generateContent(asked(text)))).status, status, text);
    }
  },
});
