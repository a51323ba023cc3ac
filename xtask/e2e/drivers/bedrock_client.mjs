// npm `@aws-sdk/client-bedrock-runtime` at endpoint `/bedrock` with a bearer token. The mock
// provider reports no caches, lists no models, names no type of its errors, and leaves the pieces of
// an invocation's stream without their base64: see bedrock_client.py for those.

import {
  BedrockRuntimeClient, BedrockRuntimeServiceException, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
  ResourceNotFoundException, ValidationException,
} from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import {
  PROVIDER_KEY, SECRET_KEY, SERVER,
  arrivedClean, ask, holds, logRow, manage, question, raises, run, same, sameRow, witness,
} from "./harness.mjs";

const REF = "bedrock-node";
const MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const PATH = `/model/${MODEL.replace(":", "%3A")}`;

/** A client, and what its last answer's headers were. `handler` speaks HTTP/1.1; without it, HTTP/2. */
function client(refId = REF, requestHandler = new NodeHttpHandler()) {
  const made = new BedrockRuntimeClient({
    endpoint: `${SERVER}/bedrock`, region: "us-east-1", token: { token: SECRET_KEY },
    authSchemePreference: ["httpBearerAuth"], maxAttempts: 1, requestHandler,
  });
  made.middlewareStack.add(
    (next) => async (args) => {
      if (refId) args.request.headers["x-byo-ref-id"] = refId;
      const answer = await next(args);
      made.headers = answer.response.headers;
      return answer;
    },
    { step: "finalizeRequest", priority: "low" },
  );
  return made;
}

/** The call's row, once its headers are what they should be. */
function row(made) {
  same([made.headers["x-byo-provider"], made.headers["x-byo-key-source"]], ["bedrock", "byok"], "our headers");
  return logRow(made.headers["x-request-id"]);
}

const converse = (text) => ({ modelId: MODEL, messages: [{ role: "user", content: [{ text: question(text) }] }] });
const invoke = (text) => ({
  modelId: MODEL,
  body: JSON.stringify({ anthropic_version: "bedrock-2023-05-31", max_tokens: 256, messages: ask(text) }),
});
// 1234 at 3 USD a million, 567 at 15; 21 and 43.
const HELLO = { refId: REF, provider: "bedrock", model: MODEL, success: true, inputTokens: 1234, outputTokens: 567, costUsd: 0.012207 };

await run("node-bedrock", {
  "a customer is connected": async () => {
    const order = { provider: "bedrock", refId: REF, providerKey: PROVIDER_KEY, providerConfig: { region: "us-east-1" } };
    const answer = await manage("POST", "/keys/connect", order);
    // The mock provider has no list of models to prove a key by.
    same([answer.provider, answer.status], ["bedrock", "unverified"], "provider, status");
  },

  "converse: text, usage and cost": async () => {
    const seen = await witness();
    const made = client();
    const answer = await made.send(new ConverseCommand(converse("say hello")));
    holds(answer.output.message.content[0].text.startsWith("Hello from the provider"), "text");
    const exchange = await seen.one();
    arrivedClean(exchange);
    same(exchange.path, `${PATH}/converse`, "path upstream");
    sameRow(await row(made), { operation: "converse", streamed: false, ...HELLO });
  },

  "converse stream: every event, counted": async () => {
    const made = client();
    const answer = await made.send(new ConverseStreamCommand(converse("answer in many scripts")));
    let text = "";
    let last;
    for await (const event of answer.stream) {
      text += event.contentBlockDelta?.delta.text ?? "";
      last = event;
    }
    holds(text.startsWith("Grüße, 世界!") && text.endsWith("\r\nend"), `text: ${text}`);
    holds(last.metadata, `last event: ${JSON.stringify(last)}`);
    sameRow(await row(made), { operation: "converseStream", streamed: true, success: true, inputTokens: 21, outputTokens: 43 });
  },

  "invoke model: the model's own document, byte for byte": async () => {
    const seen = await witness();
    const made = client();
    const answer = await made.send(new InvokeModelCommand(invoke("say hello")));
    holds(Buffer.from(answer.body).equals((await seen.one()).answer), "the body was changed");
    sameRow(await row(made), { operation: "invokeModel", ...HELLO });
  },

  "the SDK's own choice of handler: HTTP/2": async () => {
    const made = client(REF, undefined);
    const answer = await made.send(new ConverseCommand(converse("say hello")));
    holds(answer.output.message.content[0].text.startsWith("Hello from the provider"), "text");
    sameRow(await row(made), HELLO);
    made.destroy();
  },

  "typed errors: ours and the provider's": async () => {
    await raises(ResourceNotFoundException, () => client("nobody").send(new ConverseCommand(converse("say hello"))));
    const error = await raises(ValidationException, () => client(null).send(new ConverseCommand(converse("say hello"))));
    holds(error.message.includes("X-BYO-Ref-Id"), `message: ${error.message}`);
    const limited = await raises(BedrockRuntimeServiceException, () => client().send(new ConverseCommand(converse("limit my rate"))));
    same(limited.$metadata.httpStatusCode, 429, "status");
  },
});
