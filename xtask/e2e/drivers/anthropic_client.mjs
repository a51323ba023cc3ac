// npm `@anthropic-ai/sdk` at base URL `/anthropic`. What the mock provider lacks (token counts,
// Anthropic's models, caches) is driven from Python, see anthropic_client.py.

import Anthropic from "@anthropic-ai/sdk";
import {
  SECRET_KEY, SERVER, WRONG_KEY,
  arrivedClean, ask, connect, holds, logRow, raises, run, same, sameRow, witness,
} from "./harness.mjs";

const REF = "anthropic-node";
const REFUSED = "anthropic-node-refused";
const client = (refId = REF, options = {}) =>
  new Anthropic({
    baseURL: `${SERVER}/anthropic`,
    apiKey: SECRET_KEY,
    defaultHeaders: refId ? { "X-BYO-Ref-Id": refId } : {},
    maxRetries: 0,
    timeout: 30_000,
    ...options,
  });

/** The headers that every answered call carries; the request id. */
function answeredWell(response) {
  same(response.headers.get("x-byo-key-source"), "byok", "x-byo-key-source");
  same(response.headers.get("x-byo-provider"), "anthropic", "x-byo-provider");
  const id = response.headers.get("x-request-id");
  holds(id, "no x-request-id");
  return id;
}

const message = (text, more = {}) => ({ model: "claude-opus-4-7", max_tokens: 256, messages: ask(text), ...more });
const tools = [{ name: "get_weather", description: "The weather.", input_schema: { type: "object" } }];

await run("node-anthropic", {
  "two customers are connected, a wrong key is told": async () => {
    same((await connect(REF, undefined, "anthropic")).status, "valid", "status");
    same((await connect(REFUSED, WRONG_KEY, "anthropic")).provider, "anthropic", "provider");
  },

  "messages: body, usage and cost": async () => {
    const seen = await witness();
    const { data, response } = await client().messages.create(message("say hello")).withResponse();
    const exchange = await seen.one();
    arrivedClean(exchange, undefined, "x-api-key");
    same(exchange.path, "/v1/messages", "path upstream");
    holds(exchange.headers.some(([name]) => name === "anthropic-version"), "no version upstream");
    holds(data.content[0].text.startsWith("Hello from the provider"), "text");
    same(JSON.parse(JSON.stringify(data)), JSON.parse(exchange.answer), "body");
    sameRow(await logRow(answeredWell(response)), {
      refId: REF, provider: "anthropic", operation: "messages", model: "claude-opus-4-7", streamed: false,
      success: true, inputTokens: 1234, outputTokens: 567, totalTokens: 1801, costUsd: 0.020345,
    });
  },

  "messages: the body arrives byte for byte": async () => {
    const seen = await witness();
    const response = await client().messages.create(message("answer in many scripts")).asResponse();
    const bytes = Buffer.from(await response.arrayBuffer());
    holds(bytes.equals((await seen.one()).answer), "the body was changed");
  },

  "streamed messages: every event, counted": async () => {
    const { data: stream, response } = await client()
      .messages.create(message("answer in many scripts", { stream: true }))
      .withResponse();
    const kinds = [];
    let text = "";
    for await (const event of stream) {
      kinds.push(event.type);
      text += event.delta?.text ?? "";
    }
    same([kinds[0], kinds.at(-1)], ["message_start", "message_stop"], "first and last event");
    holds(text.startsWith("Grüße, 世界!") && text.endsWith("\r\nend"), `text: ${text}`);
    sameRow(await logRow(answeredWell(response)), {
      streamed: true, success: true, inputTokens: 21, outputTokens: 43, costUsd: 0.00118,
    });
  },

  "streamed tool use: the SDK's helper puts the input together": async () => {
    const final = await client().messages.stream(message("weather in Oslo", { tools })).finalMessage();
    same([final.content[0].name, final.content[0].input], ["get_weather", { city: "Oslo" }], "tool use");
    same([final.usage.input_tokens, final.usage.output_tokens], [82, 17], "usage");
  },

  "AuthenticationError: a wrong provider key, a wrong token": async () => {
    const error = await raises(Anthropic.AuthenticationError, () => client(REFUSED).messages.create(message("say hello")));
    sameRow(await logRow(error.headers.get("x-request-id")), { statusCode: 401, errorClass: "key_rejected", success: false });
    await raises(Anthropic.AuthenticationError, () =>
      client(REF, { apiKey: "byo_sk_live_nobodys" }).messages.create(message("say hello")),
    );
  },

  "ours are the SDK's typed errors: no refId, no key": async () => {
    const error = await raises(Anthropic.BadRequestError, () => client(null).messages.create(message("say hello")));
    same([error.status, error.error.error.type], [400, "invalid_request_error"], "error");
    holds(error.message.includes("X-BYO-Ref-Id"), `message: ${error.message}`);
    await raises(Anthropic.NotFoundError, () => client("nobody").messages.create(message("say hello")));
  },

  "the provider's refusals keep status and type: 429, 500, 404": async () => {
    for (const [text, kind] of [
      ["limit my rate", Anthropic.RateLimitError],
      ["fail inside", Anthropic.InternalServerError],
      ["use a retired model", Anthropic.NotFoundError],
    ]) {
      await raises(kind, () => client().messages.create(message(text)));
    }
  },
});
