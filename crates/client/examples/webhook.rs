//! Receives webhooks with axum, and believes none but genuine ones.
//!
//! ```sh
//! BYO_WEBHOOK_SECRET=whsec_… cargo run --example webhook -- 127.0.0.1:8080
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use byok_client::webhooks::{Event, EventData, Verifier};
use http::{HeaderMap, StatusCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).ok_or("say where to listen: webhook ADDRESS:PORT")?;
    let mut verifier = Verifier::new(env::var("BYO_WEBHOOK_SECRET")?);
    // While the secret is replaced, both are good.
    if let Ok(previous) = env::var("BYO_PREVIOUS_WEBHOOK_SECRET") {
        verifier = verifier.or(previous);
    }
    let app = Router::new().route("/", post(receive)).with_state(Arc::new(verifier));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The body as it came: what is parsed first cannot be verified any more.
async fn receive(
    State(verifier): State<Arc<Verifier>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    match verifier.construct_event(&headers, &body) {
        Ok(event) => {
            // Longer work belongs behind the answer, and an event may come twice: keep its id.
            handle(&event);
            StatusCode::NO_CONTENT
        }
        Err(refused) => {
            println!("refused: {refused}");
            StatusCode::BAD_REQUEST
        }
    }
}

fn handle(event: &Event) {
    match &event.data {
        EventData::KeyInvalid { key, reason } => {
            println!("{}: tell {} that {reason}", event.event, key.ref_id);
        }
        EventData::Fallback { ref_id, reason, .. } => {
            println!("{}: credits paid for {ref_id}, since {reason:?}", event.event);
        }
        EventData::CreditsLow { ref_id, available } => {
            println!("{}: {ref_id} has {available} left", event.event);
        }
        _ => println!("{} {}", event.event, event.id),
    }
}
