//! Streams a model's answer to the terminal, and says what it cost.
//!
//! ```sh
//! BYOK_API_KEY=byo_sk_… cargo run --example chat -- customer_123 "What is BYOK?"
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::env;
use std::error::Error;
use std::io::{Write, stdout};

use byok_client::Byok;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(customer), Some(question)) = (args.next(), args.next()) else {
        return Err("say for whom, and what: chat CUSTOMER QUESTION".into());
    };
    let byok = Byok::new(env::var("BYOK_API_KEY")?)?;

    let mut events = byok
        .openai(customer)
        .chat()
        .completions()
        .stream(json!({
            "model": "gpt-4.1-mini",
            "messages": [{"role": "user", "content": question}],
        }))
        .await?;
    while let Some(event) = events.next().await.transpose()? {
        if let Some(text) = event.data["choices"][0]["delta"]["content"].as_str() {
            print!("{text}");
            stdout().flush()?;
        }
    }

    let receipt = events.settle().await?;
    let tokens = receipt.usage.map_or(0, |usage| usage.total_tokens);
    match receipt.cost_usd {
        Some(cost) => println!("\n{tokens} tokens, {cost} USD, paid by {}", receipt.key_source),
        None => println!("\n{tokens} tokens, paid by {}", receipt.key_source),
    }
    Ok(())
}
