"""`byok-client`, the Rust client: every snippet of its manual and every example, run against this server.

They run in a project of their own, whose customers have the provider's keys.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import time
from decimal import Decimal

import harness
from harness import (
    ADMIN_TOKEN,
    PROVIDER_KEY,
    SERVER,
    WITNESS,
    Checks,
    Witness,
    connect,
    get,
    holds,
    http,
    list_price,
    parse,
    remember,
    same,
)

check = Checks("rust-client")

ROOT = pathlib.Path(__file__).parents[3]
# Documents whose snippets are doc tests, by what their checks are called.
DOCUMENTS = {
    "manual": ROOT / "crates/client/src/manual.md",
    "rest": ROOT / "crates/client/tests/rest_of_the_api.md",
}
# A customer's id that means something wherever it is not quoted.
ODD = 'a/b%2F?c=d&e#f "g" ü'

# What the manual calls, and whether in a stream.
CALLED = {
    ("openai", "responses", False),
    ("openai", "chat/completions", False),
    ("openai", "chat/completions", True),
    ("openai", "embeddings", False),
    ("openai", "images/generations", False),
    ("openai", "audio/speech", False),
    ("openai", "audio/transcriptions", False),
    ("anthropic", "messages", False),
    ("anthropic", "messages", True),
    ("google", "generateContent", False),
    ("azure-openai", "chat/completions", False),
    ("bedrock", "converse", False),
    ("bedrock", "converseStream", True),
    ("cohere", "chat", False),
    ("mistral", "chat", False),
}


def prepare() -> str:
    """A project with the manual's customers; its id."""
    status, _, body = http("POST", "/projects", ADMIN_TOKEN, {"name": "Rust"})
    same(status, 200, f"a project ({body[:200]!r})")
    project = parse(body)
    harness.SECRET_KEY = remember(project["secretKey"])
    remember(project["publishableKey"])
    connect("customer_123")
    connect(ODD)
    for provider, config in [
        ("anthropic", {}),
        ("google", {}),
        ("azure-openai", {"baseUrl": WITNESS, "deploymentName": "gpt-4"}),
        ("bedrock", {"region": "us-east-1"}),
        ("cohere", {}),
        ("mistral", {}),
    ]:
        connect("customer_123", provider=provider, providerConfig=config)
    return project["id"]


PROJECT = prepare()
ENVIRONMENT = {
    **os.environ,
    "BYOK_API_KEY": harness.SECRET_KEY,
    "BYOK_PROJECT": PROJECT,
    "BYO_BASE_URL": SERVER,
    "BYO_ADMIN_TOKEN": ADMIN_TOKEN,
}
CARGO = ["cargo", "--quiet"]


def example(name: str, *args: str, **more: str) -> str:
    """What an example prints; fails when the example does."""
    command = [*CARGO, "run", "--locked", "--package", "byok-client", "--example", name, "--", *args]
    done = subprocess.run(
        command, cwd=ROOT, env={**ENVIRONMENT, **more}, capture_output=True, text=True, timeout=600
    )
    same(done.returncode, 0, f"exit code of {name} ({done.stderr[-1500:]})")
    return done.stdout


def sentence(name: str, line: int) -> str:
    """The headings over a line of a document, and which snippet below them it begins."""
    text = DOCUMENTS[name].read_text().splitlines()[:line]
    over: dict[int, str] = {}
    count, in_code = 0, False
    for row in text:
        fence = row.startswith("```")
        in_code = in_code != fence
        heading = None if in_code or fence else re.match(r"(#+) (.*)", row)
        if heading:
            depth = len(heading[1])
            over = {d: t for d, t in over.items() if d < depth} | {depth: heading[2]}
            count = 0
        elif fence and in_code:
            count += 1
    place = ", ".join(over.values())
    return f"{name}: {place}" + (f" ({count})" if count > 1 else "")


def run_documents() -> None:
    """Runs all snippets, and makes a check of each."""
    command = ["cargo", "test", "--locked", "--package", "byok-client", "--doc", "--", "--test-threads", "2"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=850)
    for name, path in DOCUMENTS.items():
        test = rf"\S+{re.escape(path.name)} - .*?\(line (\d+)\)"
        found = re.findall(rf"^test {test} \.\.\. (\w+)$", done.stdout, re.MULTILINE)
        said = {
            int(line): text
            for line, text in re.findall(rf"^---- {test} stdout ----\n(.*?)(?=^----|\Z)", done.stdout, re.M | re.S)
        }
        for line, outcome in sorted((int(line), outcome) for line, outcome in found):

            def held(outcome: str = outcome, text: str = said.get(line, "outcome")[-1500:]) -> None:
                same(outcome, "ok", text)

            check(sentence(name, line))(held)
        fences = path.read_text().count("\n```\n# #[tokio::main")

        def all_run(fences: int = fences, found: int = len(found)) -> None:
            holds(fences > 5, f"{fences} snippets that are found in the document")
            same(found, fences, f"snippets that were run ({done.stderr[-1500:]})")

        check(f"{name}: every snippet was run")(all_run)


witness = Witness()
run_documents()


@check("manual: each provider was called as it says, and the log knows what it used")
def _() -> None:
    rows = get("/logs?limit=500&success=true&source=byok", harness.SECRET_KEY)["data"]
    called = {(row["provider"], row["operation"], row["streamed"]) for row in rows}
    same(CALLED - called, set(), f"calls that are missing of {sorted(called)}")
    untold = ("audio/speech", "images/generations")
    shown = [row for row in rows if (row["provider"], row["operation"], row["streamed"]) in CALLED]
    texts = [row for row in shown if row["operation"] not in untold]
    same([row["operation"] for row in texts if row["totalTokens"] is None], [], "calls without tokens")


@check("manual: the provider got the customers' key, and nothing of ours")
def _() -> None:
    exchanges = witness.all()
    holds(len(exchanges) >= len(CALLED), f"{len(exchanges)} calls")
    for exchange in exchanges:
        for name, value in exchange.headers:
            holds(not value.startswith(("byo_", "Bearer byo_")), f"our token reached the provider in {name}")


@check("examples/chat.rs streams to the terminal and tells the exact cost, whatever the customer is called")
def _() -> None:
    for customer in ("customer_123", ODD):
        printed = example("chat", customer, harness.ask("say hello")[0]["content"])
        cost = list_price("gpt-4.1-mini", 1234, 567)
        holds(printed.startswith("Hello from the provider, dear customer"), "the text")
        same(printed.splitlines()[-1], f"1801 tokens, {cost.normalize():f} USD, paid by byok", "last line")


@check("examples/billing.rs adds a customer's month up")
def _() -> None:
    month = time.strftime("%Y-%m", time.gmtime())
    for customer, quoted in (("customer_123", "customer_123"), (ODD, None)):
        rows = [row.split() for row in example("billing", customer, month).splitlines()]
        (total,) = [row for row in rows if row[:1] == ["total"]]
        if quoted:
            usage = get(f"/usage?refId={quoted}", harness.SECRET_KEY)["totals"]
            same((int(total[1]), int(total[2])), (usage["requests"], usage["totalTokens"]), "calls and tokens")
            holds(abs(Decimal(total[3]) - usage["costUsd"]) < Decimal("0.000001"), f"{total} {usage['costUsd']}")
        else:
            same(total[1:3], ["1", "1801"], "the one call")


@check("examples/webhook.rs takes a delivery that is genuine and refuses one that is forged")
def _() -> None:
    from serving import free_port

    url = f"http://127.0.0.1:{free_port()}"
    status, _, body = http("POST", "/webhooks", harness.SECRET_KEY, {"url": f"{url}/"})
    same(status, 200, f"an endpoint ({body[:200]!r})")
    endpoint = parse(body)
    command = [*CARGO, "run", "--locked", "--package", "byok-client", "--example", "webhook", "--"]
    environment = {**ENVIRONMENT, "BYO_WEBHOOK_SECRET": remember(endpoint["secret"])}
    receiver = subprocess.Popen(
        [*command, url.removeprefix("http://")], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        same(receiver.stdout.readline().strip(), f"listening on {url}", "first line")
        status, _, body = http("POST", f"/webhooks/{endpoint['id']}/test", harness.SECRET_KEY)
        tested = parse(body)
        same((status, tested["delivered"], tested["statusCode"]), (200, True, 204), "the delivery")
        same(receiver.stdout.readline().strip(), f"webhook.test {tested['eventId']}", "what it says")
        forged = {"webhook-id": "evt_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
        same(http("POST", f"{url}/", None, {"id": "evt_1"}, forged)[0], 400, "a forged one")
        holds(receiver.stdout.readline().startswith("refused: "), "what it says of that")
    finally:
        receiver.kill()
        receiver.wait()
        http("DELETE", f"/webhooks/{endpoint['id']}", harness.SECRET_KEY)


@check("a key that the provider rejects never shows in what the client prints")
def _() -> None:
    connect("wrong", harness.WRONG_KEY)
    command = [*CARGO, "run", "--locked", "--package", "byok-client", "--example", "chat", "--", "wrong", "Hello!"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    holds(done.returncode != 0 and "openai" in done.stderr, f"no provider error: {done.stderr[-500:]}")
    for secret in (harness.WRONG_KEY, PROVIDER_KEY, harness.SECRET_KEY):
        holds(secret not in done.stdout + done.stderr, "a key was printed")


if __name__ == "__main__":
    check.run()
