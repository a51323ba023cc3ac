//! A customer's month as a table: each day's calls, tokens and cost.
//!
//! ```sh
//! BYOK_API_KEY=byo_sk_… cargo run --example billing -- customer_123 2026-01
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::env;
use std::error::Error;

use byok_client::usage::Totals;
use byok_client::{Byok, Usd};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(customer), Some(month)) = (args.next(), args.next()) else {
        return Err("say whose, and which: billing CUSTOMER YYYY-MM".into());
    };
    let next = month_after(&month).ok_or("a month is written as 2026-01")?;
    let byok = Byok::new(env::var("BYOK_API_KEY")?)?;

    let usage = byok
        .usage()
        .get()
        .ref_id(&customer)
        .since(format!("{month}-01"))
        .until(format!("{next}-01"))
        .send()
        .await?;

    println!("{customer}, {month}\n");
    println!("{:<12} {:>8} {:>12} {:>14}", "", "calls", "tokens", "USD");
    for day in &usage.daily {
        row(&day.date, &day.totals);
    }
    row("total", &usage.totals);
    println!();
    for model in &usage.by_model {
        row(model.model.as_deref().unwrap_or("no model"), &model.totals);
    }
    for model in &usage.unknown_models {
        println!("no price for {} {:?}", model.provider, model.model);
    }
    Ok(())
}

fn row(name: &str, totals: &Totals) {
    let cost =
        totals.cost_usd.map_or_else(|| "unknown".to_owned(), |cost: Usd| format!("{cost:.6}"));
    println!("{name:<12} {:>8} {:>12} {cost:>14}", totals.requests, totals.total_tokens);
}

fn month_after(month: &str) -> Option<String> {
    let (year, number) = month.split_once('-')?;
    match (year.parse::<u16>().ok()?, number.parse::<u8>().ok()?) {
        (year, 12) => Some(format!("{:04}-01", year + 1)),
        (year, number @ 1..=11) => Some(format!("{year:04}-{:02}", number + 1)),
        _ => None,
    }
}
