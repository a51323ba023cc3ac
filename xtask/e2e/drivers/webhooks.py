"""Webhooks as a receiver sees them: real deliveries, verified by the published client."""

from __future__ import annotations

import time
from typing import Any

from byo import ValidationError, construct_webhook_event

from harness import (
    PROJECT,
    PROVIDER_KEY,
    SECRET_KEY,
    Checks,
    connect,
    get,
    holds,
    http as call,
    parse,
    raises,
    remember,
    same,
)
from receiver import Receiver

check = Checks("webhooks")


def manage(method: str, path: str, body: Any = None) -> Any:
    status, _, answer = call(method, f"/projects/{PROJECT}{path}", SECRET_KEY, body)
    same(status, 200, f"{method} {path} ({answer[:300]!r})")
    return parse(answer)


def make(receiver: Receiver, *events: str) -> tuple[str, str]:
    made = manage("POST", "/webhooks", {"url": receiver.url, "events": list(events), "description": "e2e"})
    remember(made["secret"])
    return made["id"], made["secret"]


@check("a key that is connected and revoked is told, and construct_webhook_event takes it")
def _() -> None:
    receiver = Receiver()
    webhook, secret = make(receiver, "provider_key.*")
    connect("webhook-customer")
    headers, body = receiver.next()
    event = construct_webhook_event(body, headers["x-byo-signature"], secret)
    same(event["event"], "provider_key.connected", "event")
    same((event["projectId"], event["id"]), (PROJECT, headers["webhook-id"]), "project and id")
    same(event["data"]["refId"], "webhook-customer", "refId")
    holds(PROVIDER_KEY.encode() not in body, "the key is in the payload")
    holds(abs(int(headers["webhook-timestamp"]) - time.time()) < 300, "the time is not now")
    raises(ValidationError, lambda: construct_webhook_event(body + b" ", headers["x-byo-signature"], secret))
    raises(ValidationError, lambda: construct_webhook_event(body, headers["x-byo-signature"], secret + "x"))
    status, _, answer = call("DELETE", "/keys/revoke", SECRET_KEY, {"provider": "openai", "refId": "webhook-customer"})
    same(status, 200, f"revoke ({answer[:200]!r})")
    headers, body = receiver.next()
    same(construct_webhook_event(body, headers["x-byo-signature"], secret)["event"], "provider_key.revoked", "event")
    manage("DELETE", f"/webhooks/{webhook}")


@check("a rotated secret: the new one verifies, the old one does not any more")
def _() -> None:
    receiver = Receiver()
    webhook, old = make(receiver, "byok.*")
    new = remember(manage("POST", f"/webhooks/{webhook}/rotate-secret")["secret"])
    told = manage("POST", f"/webhooks/{webhook}/test")
    same((told["delivered"], told["statusCode"]), (True, 204), "outcome")
    headers, body = receiver.next()
    same(construct_webhook_event(body, headers["x-byo-signature"], new)["event"], "webhook.test", "event")
    raises(ValidationError, lambda: construct_webhook_event(body, headers["x-byo-signature"], old))
    same(len(headers["webhook-signature"].split(" ")), 2, "signatures while it is rotated")
    manage("DELETE", f"/webhooks/{webhook}")


@check("a refused delivery comes again after some seconds, under the same id, and once more when it is resent")
def _() -> None:
    receiver = Receiver()
    receiver.status = 503
    webhook, secret = make(receiver, "provider_key.connected")
    connect("webhook-again")
    first, _ = receiver.next()
    receiver.status = 200
    begun = time.monotonic()
    second, body = receiver.next()
    holds(3 < time.monotonic() - begun < 15, f"it came after {time.monotonic() - begun:.1f} s")
    same(second["webhook-id"], first["webhook-id"], "id")
    construct_webhook_event(body, second["x-byo-signature"], secret)
    for _ in range(100):
        delivery = manage("GET", f"/webhooks/{webhook}/deliveries")["data"][0]
        if delivery["status"] == "delivered":
            break
        time.sleep(0.1)
    same([attempt["statusCode"] for attempt in delivery["attempts"]], [503, 200], "attempts")
    manage("POST", f"/webhooks/deliveries/{delivery['id']}/resend")
    third, _ = receiver.next()
    same(third["webhook-id"], first["webhook-id"], "id of the third")
    manage("DELETE", f"/webhooks/{webhook}")


@check("a secret is in no list, and an endpoint that is removed hears nothing")
def _() -> None:
    receiver = Receiver()
    webhook, secret = make(receiver, "*")
    holds(secret not in str(get(f"/projects/{PROJECT}/webhooks")), "the secret is in the list")
    manage("DELETE", f"/webhooks/{webhook}")
    connect("webhook-silence")
    time.sleep(2)
    holds(receiver.heard.empty(), "a removed endpoint was told")


if __name__ == "__main__":
    check.run()
