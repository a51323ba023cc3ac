//! Calls of every kind, for a profile of what the server does most. Nothing is measured.

use std::path::Path;

use crate::run::Outcome;

use super::calls::Calls;
use super::credits;
use super::lab::Lab;
use super::options::Options;
use super::streams;
use super::target::{Kind, Target};
use super::tools::Tools;

/// Calls a second, few enough that each is answered in its turn.
const RATE: u32 = 2000;
const SECONDS: u32 = 2;

/// Beside small chats: path and body.
const OTHERS: [(&str, &str); 6] = [
    ("/v1/responses", r#"{"model":"gpt-4o-mini","input":"Say hello."}"#),
    ("/v1/responses", r#"{"model":"gpt-4o-mini","stream":true,"input":"Say hello."}"#),
    (
        "/anthropic/v1/messages",
        r#"{"model":"claude-haiku-4-5","max_tokens":99,"messages":[{"role":"user","content":"Say hello."}]}"#,
    ),
    (
        "/anthropic/v1/messages",
        r#"{"model":"claude-haiku-4-5","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"Say hello."}]}"#,
    ),
    (
        "/google/v1beta/models/gemini-2.5-flash:generateContent",
        r#"{"contents":[{"parts":[{"text":"Say hello."}]}]}"#,
    ),
    (
        "/google/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        r#"{"contents":[{"parts":[{"text":"Say hello."}]}]}"#,
    ),
];

/// Puts `server` under them: in both modes of durability, on customers' own keys and on credits.
pub(crate) fn train(server: &Path) -> Outcome {
    let lab = Lab::with(Options::default(), Tools::around(server)?)?;
    let (_stand_in, address) = lab.stand_in(streams::EVENTS_PER_SECOND)?;
    for kind in [Kind::ByokOs, Kind::ByokDisk] {
        let target = Target::start(&lab, kind, address)?;
        credits::sell_credits(&target)?;
        let chats = || Calls::of(&target, RATE, 2 * SECONDS);
        let on_credits = Calls { rate: RATE / 4, ..credits::on_credits(chats()) };
        let others = OTHERS.map(|(path, body)| Calls {
            path,
            body: Some(body),
            ..Calls::of(&target, RATE / 2, SECONDS)
        });
        for calls in [chats(), on_credits].into_iter().chain(others) {
            println!("{:10} {} calls/s of {}", kind.name(), calls.rate, calls.path);
            calls.start(&lab)?.finish()?;
        }
        println!("{:10} streams", kind.name());
        streams::open(&lab, &target, 200, SECONDS)?;
        target.settle()?;
    }
    Ok(())
}
