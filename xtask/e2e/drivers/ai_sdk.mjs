// npm `ai` with `@ai-sdk/openai` at base URL `/v1`.

import { APICallError, embed, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import {
  SECRET_KEY, SERVER, arrivedClean, connect, holds, logRow, question, raises, run, same, sameRow, witness,
} from "./harness.mjs";

const REF = "ai-sdk";
const provider = (refId = REF) =>
  createOpenAI({ baseURL: `${SERVER}/v1`, apiKey: SECRET_KEY, headers: { "X-BYO-Ref-Id": refId } });
const calls = (model, text, more = {}) => ({ model, prompt: question(text), maxRetries: 0, ...more });

await run("node-ai", {
  "the customer is connected": async () => same((await connect(REF)).status, "valid", "status"),

  "generateText with the chat model": async () => {
    const seen = await witness();
    const result = await generateText(calls(provider().chat("gpt-4.1"), "say hello"));
    holds(result.text.startsWith("Hello from the provider"), `text: ${result.text}`);
    same([result.usage.inputTokens, result.usage.outputTokens], [1234, 567], "usage");
    const exchange = await seen.one();
    arrivedClean(exchange);
    same(exchange.path, "/v1/chat/completions", "path upstream");
    sameRow(await logRow(result.response.headers["x-request-id"]), {
      refId: REF, operation: "chat/completions", inputTokens: 1234, outputTokens: 567, costUsd: 0.007004,
    });
  },

  "generateText with the responses model": async () => {
    const seen = await witness();
    const result = await generateText(calls(provider()("gpt-4.1"), "say hello"));
    holds(result.text.startsWith("Hello from the provider"), `text: ${result.text}`);
    const exchange = await seen.one();
    arrivedClean(exchange);
    same(exchange.path, "/v1/responses", "path upstream");
    sameRow(await logRow(result.response.headers["x-request-id"]), {
      operation: "responses", streamed: false, inputTokens: 1234, outputTokens: 567, costUsd: 0.007004,
    });
  },

  "streamText with the chat model: text, usage chunk (it asks for it), cost": async () => {
    const seen = await witness();
    const result = streamText(calls(provider().chat("gpt-4.1"), "answer in many scripts"));
    let text = "";
    for await (const part of result.textStream) text += part;
    holds(text.startsWith("Grüße, 世界!") && text.endsWith("\r\nend"), `text: ${text}`);
    const usage = await result.usage;
    same([usage.inputTokens, usage.outputTokens], [21, 43], "usage");
    same(JSON.parse((await seen.one()).request).stream_options, { include_usage: true }, "stream_options upstream");
    sameRow(await logRow((await result.response).headers["x-request-id"]), {
      streamed: true, inputTokens: 21, outputTokens: 43, costUsd: 0.000386,
    });
  },

  "streamText with the responses model": async () => {
    const result = streamText(calls(provider()("gpt-4.1"), "say hello"));
    let text = "";
    for await (const part of result.textStream) text += part;
    holds(text.startsWith("Hello from the provider"), `text: ${text}`);
    same((await result.usage).outputTokens, 567, "usage");
    sameRow(await logRow((await result.response).headers["x-request-id"]), {
      operation: "responses", streamed: true, inputTokens: 1234, outputTokens: 567,
    });
  },

  "a tool loop in two steps": async () => {
    const seen = await witness();
    const result = await generateText(
      calls(provider().chat("gpt-4.1"), "weather in Oslo", {
        stopWhen: stepCountIs(3),
        tools: {
          get_weather: tool({
            description: "The weather in a city",
            inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }),
            execute: async ({ city }) => ({ city, celsius: 7 }),
          }),
        },
      }),
    );
    same(result.text, "It is 7 degrees in Oslo.", "text");
    same(result.totalUsage.inputTokens, 82 + 110, "input tokens of both steps");
    same((await seen.all()).length, 2, "calls upstream");
  },

  "embed": async () => {
    const model = provider().textEmbeddingModel("text-embedding-3-small");
    const { embedding } = await embed({ model, value: "embed this", maxRetries: 0 });
    same(embedding, [0.25, -0.5, 0.125, 1], "vector");
  },

  "APICallError: the provider's refusal and ours, with their messages": async () => {
    const limited = await raises(APICallError, () =>
      generateText(calls(provider().chat("gpt-4.1"), "limit my rate")));
    same([limited.statusCode, limited.isRetryable], [429, true], "status, isRetryable");
    holds(limited.message.startsWith("Rate limit reached"), `message: ${limited.message}`);
    const nobody = await raises(APICallError, () =>
      generateText(calls(provider("nobody").chat("gpt-4.1"), "say hello")));
    same([nobody.statusCode, nobody.isRetryable], [404, false], "status, isRetryable");
    holds(nobody.responseBody.includes("key_not_connected"), `body: ${nobody.responseBody}`);
  },
});
