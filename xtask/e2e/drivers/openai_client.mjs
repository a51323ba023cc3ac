// npm `openai` at base URL `/v1`.

import OpenAI, { toFile } from "openai";
import {
  PROVIDER_KEY, PUBLISHABLE_KEY, SECRET_KEY, SERVER, WRONG_KEY,
  arrivedClean, ask, connect, holds, logRow, manage, question, raises, run, same, sameRow, usageChunks, witness,
} from "./harness.mjs";

const REF = "openai-node";
const ERRORS = "openai-node-errors";
const client = (refId = REF, options = {}) =>
  new OpenAI({
    baseURL: `${SERVER}/v1`,
    apiKey: SECRET_KEY,
    defaultHeaders: refId ? { "X-BYO-Ref-Id": refId } : {},
    maxRetries: 0,
    timeout: 30_000,
    ...options,
  });

/** The headers that every answered call carries; the request id. */
function answeredWell(response) {
  same(response.headers.get("x-byo-key-source"), "byok", "x-byo-key-source");
  same(response.headers.get("x-byo-provider"), "openai", "x-byo-provider");
  const id = response.headers.get("x-request-id");
  holds(id, "no x-request-id");
  return id;
}

const chat = (text, more = {}) => ({ model: "gpt-4.1-mini", messages: ask(text), ...more });
const fails = (kind, text) => raises(kind, () => client(ERRORS).chat.completions.create(chat(text)));

await run("node-openai", {
  "two customers are connected": async () => {
    same((await connect(REF)).status, "valid", "status");
    same((await connect(ERRORS)).status, "valid", "status");
  },

  "chat: body, usage and cost": async () => {
    const seen = await witness();
    const { data, response } = await client().chat.completions.create(chat("say hello")).withResponse();
    const exchange = await seen.one();
    arrivedClean(exchange);
    same(JSON.parse(JSON.stringify(data)), JSON.parse(exchange.answer), "body");
    sameRow(await logRow(answeredWell(response)), {
      refId: REF, operation: "chat/completions", model: "gpt-4.1-mini", streamed: false, success: true,
      inputTokens: 1234, outputTokens: 567, totalTokens: 1801, costUsd: 0.0014008,
    });
  },

  "chat: the body arrives byte for byte": async () => {
    const seen = await witness();
    const response = await client().chat.completions.create(chat("answer in many scripts")).asResponse();
    const bytes = Buffer.from(await response.arrayBuffer());
    holds(bytes.equals((await seen.one()).answer), "the body was changed");
  },

  "streamed chat hides the usage chunk from a client that did not ask, and counts it": async () => {
    const seen = await witness();
    const { data: stream, response } = await client()
      .chat.completions.create(chat("answer in many scripts", { stream: true }))
      .withResponse();
    let text = "";
    for await (const chunk of stream) {
      same(chunk.choices.length, 1, "choices of a chunk");
      text += chunk.choices[0].delta.content ?? "";
    }
    holds(text.startsWith("Grüße, 世界!") && text.endsWith("\r\nend"), `text: ${text}`);
    const exchange = await seen.one();
    same(JSON.parse(exchange.request).stream_options, { include_usage: true }, "stream_options upstream");
    same(usageChunks(exchange.answer).length, 1, "usage chunks that the provider sent");
    sameRow(await logRow(answeredWell(response)), {
      streamed: true, success: true, inputTokens: 21, outputTokens: 43, costUsd: 0.0000772,
    });
  },

  "streamed chat shows the usage chunk to a client that asked": async () => {
    const stream = await client().chat.completions.create(
      chat("say hello", { stream: true, stream_options: { include_usage: true } }),
    );
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    same(chunks.at(-1).choices, [], "the last chunk's choices");
    same(chunks.at(-1).usage.total_tokens, 1801, "total tokens");
  },

  "responses: body, usage and cost": async () => {
    const seen = await witness();
    const { data, response } = await client()
      .responses.create({ model: "gpt-4.1", input: question("say hello") })
      .withResponse();
    arrivedClean(await seen.one());
    holds(data.output_text.startsWith("Hello from the provider"), "output_text");
    sameRow(await logRow(answeredWell(response)), {
      operation: "responses", model: "gpt-4.1", inputTokens: 1234, outputTokens: 567, costUsd: 0.007004,
    });
  },

  "streamed responses: read to the end, counted": async () => {
    const { data: stream, response } = await client()
      .responses.create({ model: "gpt-4.1", input: question("say hello"), stream: true })
      .withResponse();
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    same([kinds[0], kinds.at(-1)], ["response.created", "response.completed"], "first and last event");
    sameRow(await logRow(answeredWell(response)), {
      operation: "responses", streamed: true, inputTokens: 1234, outputTokens: 567, costUsd: 0.007004,
    });
  },

  "embeddings": async () => {
    const { data, response } = await client()
      .embeddings.create({ model: "text-embedding-3-small", input: "embed this", encoding_format: "float" })
      .withResponse();
    same(data.data[0].embedding, [0.25, -0.5, 0.125, 1], "vector");
    sameRow(await logRow(answeredWell(response)), { operation: "embeddings", inputTokens: 0, costUsd: 0 });
  },

  "transcription: the upload arrives whole": async () => {
    const seen = await witness();
    const audio = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
    const { data, response } = await client()
      .audio.transcriptions.create({
        model: "gpt-4o-mini-transcribe",
        file: await toFile(audio, "speech.wav", { type: "audio/wav" }),
      })
      .withResponse();
    const exchange = await seen.one();
    arrivedClean(exchange);
    holds(exchange.request.includes(audio), "the audio was changed on its way");
    same(data.text, "The quick brown fox, transcribed.", "text");
    sameRow(await logRow(answeredWell(response)), {
      operation: "audio/transcriptions", inputTokens: 14, outputTokens: 45, costUsd: 0.0002425,
    });
  },

  "speech: every byte value survives": async () => {
    const response = await client().audio.speech.create({ model: "tts-1", voice: "alloy", input: "Speak, friend." });
    const expected = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
    holds(Buffer.from(await response.arrayBuffer()).equals(expected), "the audio was changed");
    answeredWell(response);
  },

  "models, moderations and images": async () => {
    holds((await client().models.list()).data.length > 0, "no models");
    same((await client().moderations.create({ input: "be kind" })).results[0].flagged, false, "flagged");
    const image = await client().images.generate({ model: "gpt-image-1", prompt: "one pixel" });
    holds(image.data[0].b64_json.startsWith("iVBOR"), "image");
  },

  "files and batches": async () => {
    const line = { custom_id: "n", method: "POST", url: "/v1/responses", body: { model: "gpt-4.1", input: "hi" } };
    const file = await client().files.create({
      file: await toFile(Buffer.from(`${JSON.stringify(line)}\n`), "in.jsonl"),
      purpose: "batch",
    });
    const batch = await client().batches.create({
      input_file_id: file.id, endpoint: "/v1/responses", completion_window: "24h",
    });
    same((await client().batches.retrieve(batch.id)).id, batch.id, "batch");
    await raises(OpenAI.NotFoundError, () => client(ERRORS).files.retrieve(file.id));
    await raises(OpenAI.NotFoundError, () => client(ERRORS).batches.retrieve(batch.id));
    same((await client().files.delete(file.id)).deleted, true, "deleted");
  },

  "tool calls, streamed": async () => {
    const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }];
    const runner = client().chat.completions.stream(chat("weather in Oslo", { tools }));
    const { message } = (await runner.finalChatCompletion()).choices[0];
    same(message.tool_calls[0].function.name, "get_weather", "name");
    same(JSON.parse(message.tool_calls[0].function.arguments), { city: "Oslo" }, "arguments");
  },

  "AuthenticationError: a token that is not ours": async () => {
    const error = await raises(OpenAI.AuthenticationError, () =>
      client(REF, { apiKey: "byo_sk_live_notatoken" }).models.list());
    same(error.status, 401, "status");
    holds(error.requestID, "no request id");
  },

  "PermissionDeniedError: a publishable key": async () => {
    await raises(OpenAI.PermissionDeniedError, () => client(REF, { apiKey: PUBLISHABLE_KEY }).models.list());
  },

  "BadRequestError: no X-BYO-Ref-Id": async () => {
    const error = await raises(OpenAI.BadRequestError, () => client(null).models.list());
    same(error.code, "missing_ref_id", "code");
  },

  "NotFoundError: a customer without a key": async () => {
    const error = await raises(OpenAI.NotFoundError, () => client("nobody").chat.completions.create(chat("say hello")));
    same(error.code, "key_not_connected", "code");
    holds(error.message.includes("/keys/connect"), `message: ${error.message}`);
  },

  "an upload that is refused while it is sent fails with the reason, not with the connection": async () => {
    const upload = (megabytes, ...who) => async () => client(...who).audio.transcriptions.create({
      model: "gpt-4o-mini-transcribe",
      file: await toFile(Buffer.alloc(megabytes * 1_000_000), "speech.wav", { type: "audio/wav" }),
    });
    for (let i = 0; i < 3; i += 1) {
      same((await raises(OpenAI.NotFoundError, upload(5, "nobody"))).code, "key_not_connected", "code");
      await raises(OpenAI.AuthenticationError, upload(5, REF, { apiKey: "byo_sk_live_notatoken" }));
      same((await raises(OpenAI.APIError, upload(40))).status, 413, "status");
    }
  },

  "RateLimitError, InternalServerError, BadRequestError: the provider's own": async () => {
    const limited = await fails(OpenAI.RateLimitError, "limit my rate");
    same([limited.code, limited.headers.get("retry-after")], ["rate_limit_exceeded", "7"], "code, retry-after");
    same((await fails(OpenAI.RateLimitError, "spend my quota")).code, "insufficient_quota", "code");
    same((await fails(OpenAI.InternalServerError, "fail inside")).status, 500, "status");
    same((await fails(OpenAI.BadRequestError, "overflow the context")).code, "context_length_exceeded", "code");
  },

  "AuthenticationError: a wrong provider key, shown invalid afterwards": async () => {
    same((await connect("openai-node-wrong", WRONG_KEY)).status, "invalid", "status at connect");
    const error = await raises(OpenAI.AuthenticationError, () =>
      client("openai-node-wrong").chat.completions.create(chat("say hello")));
    same(error.code, "invalid_api_key", "code");
    same((await manage("GET", "/keys?refId=openai-node-wrong")).data[0].status, "invalid", "key status");
  },

  "APIUserAbortError: the stream is left, the call upstream is cancelled, the row says so": async () => {
    const seen = await witness();
    const { data: stream, response } = await client()
      .chat.completions.create(chat("speak slowly", { stream: true }))
      .withResponse();
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    const row = await logRow(answeredWell(response));
    sameRow(row, { success: false, errorClass: "client_closed", streamed: true });
    const exchange = await seen.one();
    holds(exchange.leftAfterMs !== null && exchange.leftAfterMs < 1500, `left after ${exchange.leftAfterMs} ms`);
    holds(!exchange.complete, "the provider was read to its end");
  },

  "a key of the customer never stands in an answer's headers": async () => {
    const response = await client().models.list().asResponse();
    holds(!JSON.stringify([...response.headers]).includes(PROVIDER_KEY), "the key stands in a header");
  },
});
