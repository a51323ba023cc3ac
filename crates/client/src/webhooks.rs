//! Webhooks: the endpoints that are told of events, and what a receiver does with a delivery.

mod endpoints;
mod event;
mod verify;

pub use endpoints::{
    CreateEndpoint, Delivery, DeliveryAttempt, DeliveryStatus, Endpoint, EndpointWithSecret,
    ListDeliveries, ListEndpoints, Tested, UpdateEndpoint, Webhooks,
};
pub use event::{Event, EventData, Key};
pub use verify::{Refused, Verifier, construct_event, verify_signature};
