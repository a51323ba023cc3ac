// Webhooks, verified by the library of Standard Webhooks.

import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { connect, holds, manage, raises, run, same } from "./harness.mjs";

const SCRATCH = process.env.E2E_SCRATCH ?? "/tmp/byok-e2e";
/** Tells the search for secrets of a secret that was made during the run. */
const remember = (secret) => appendFileSync(`${SCRATCH}/minted-${process.pid}.log`, `${secret}\n`);

/** A receiver that takes everything. */
async function receive() {
  const heard = [];
  const waiting = [];
  const server = createServer(async (request, answer) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const delivery = { headers: request.headers, body: Buffer.concat(pieces).toString() };
    waiting.length ? waiting.shift()(delivery) : heard.push(delivery);
    answer.writeHead(204).end();
  });
  await new Promise((up) => server.listen(0, "127.0.0.1", up));
  const patience = () => new Promise((_, no) => setTimeout(() => no(new Error("nothing was delivered")), 20_000).unref());
  return {
    url: `http://127.0.0.1:${server.address().port}/in`,
    next: () => (heard.length ? heard.shift() : Promise.race([new Promise((took) => waiting.push(took)), patience()])),
  };
}

async function make(receiver) {
  const made = await manage("POST", "/webhooks", { url: receiver.url, events: ["provider_key.*"] });
  remember(made.secret);
  return made;
}

await run("standardwebhooks", {
  "a delivery verifies, and one that was changed does not": async () => {
    const receiver = await receive();
    const { id, secret } = await make(receiver);
    await connect("standard-customer-ü");
    const { headers, body } = await receiver.next();
    const webhook = new Webhook(secret);
    const event = webhook.verify(body, headers);
    same([event.event, event.id], ["provider_key.connected", headers["webhook-id"]], "event");
    same(event.data.refId, "standard-customer-ü", "refId");
    await raises(WebhookVerificationError, async () => webhook.verify(`${body} `, headers));
    const late = { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 600) };
    await raises(WebhookVerificationError, async () => webhook.verify(body, late));
    await manage("DELETE", `/webhooks/${id}`);
  },
  "while a secret is rotated, both verify": async () => {
    const receiver = await receive();
    const { id, secret } = await make(receiver);
    const rotated = await manage("POST", `/webhooks/${id}/rotate-secret`);
    remember(rotated.secret);
    holds(rotated.secret !== secret, "the secret is the same");
    same((await manage("POST", `/webhooks/${id}/test`)).delivered, true, "delivered");
    const { headers, body } = await receiver.next();
    for (const one of [secret, rotated.secret]) {
      same(new Webhook(one).verify(body, headers).event, "webhook.test", "event");
    }
    await manage("DELETE", `/webhooks/${id}`);
  },
});
