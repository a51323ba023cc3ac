//! Every management route there is.

use byok_domain::credential::Permission::{Connect, Manage, Operate};
use http::Method;

use crate::table::Table;
use crate::{
    api_keys, audit_logs, credits, customers, keys, logs, openapi, origins, pricing, probes,
    projects, routing, tiers, usage, webhooks,
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// The table of all management routes.
pub(crate) fn table() -> Table {
    Table::default()
        .open(GET, "/healthz", probes::alive)
        .open(GET, "/readyz", probes::ready)
        .open(GET, "/openapi.json", openapi::show)
        .operator(GET, "/projects", projects::list)
        .operator(POST, "/projects", projects::create)
        .project(GET, "", Manage, projects::show)
        .project(PATCH, "", Manage, projects::update)
        .project(DELETE, "", Operate, projects::delete)
        .project(GET, "/api-keys", Manage, api_keys::list)
        .project(POST, "/api-keys", Manage, api_keys::create)
        .project(DELETE, "/api-keys/{id}", Manage, api_keys::revoke)
        .project(GET, "/origins", Manage, origins::show)
        .project(PATCH, "/origins", Manage, origins::update)
        .project(GET, "/pricing", Manage, pricing::show)
        .project(PATCH, "/pricing", Manage, pricing::update)
        .project(DELETE, "/pricing", Manage, pricing::clear)
        .project(POST, "/reprice", Manage, pricing::reprice)
        .project(GET, "/routing", Manage, routing::show)
        .project(PATCH, "/routing", Manage, routing::update)
        .project(GET, "/tiers", Manage, tiers::show)
        .project(PUT, "/tiers", Manage, tiers::replace)
        .project(GET, "/platform-keys/{provider}", Manage, keys::show_platform_key)
        .project(PUT, "/platform-keys/{provider}", Manage, keys::put_platform_key)
        .project(DELETE, "/platform-keys/{provider}", Manage, keys::remove_platform_key)
        .project(GET, "/customers", Manage, customers::list)
        .project(GET, "/customers/{refId}", Manage, customers::show)
        .project(PATCH, "/customers/{refId}", Manage, customers::update)
        .project(DELETE, "/customers/{refId}", Manage, customers::erase)
        .project(GET, "/customers/{refId}/credits", Manage, credits::show)
        .project(POST, "/customers/{refId}/credits", Manage, credits::grant)
        .project(GET, "/customers/{refId}/credits/transactions", Manage, credits::transactions)
        .project(GET, "/keys/settings", Manage, keys::settings)
        .project(POST, "/keys/connect", Connect, keys::connect)
        .project(POST, "/keys/check", Connect, keys::check)
        .project(POST, "/keys/validate", Manage, keys::validate)
        .project(DELETE, "/keys/revoke", Manage, keys::revoke)
        .project(GET, "/keys", Manage, keys::list)
        .project(GET, "/usage", Manage, usage::report)
        .project(GET, "/usage/export", Manage, usage::export)
        .project(GET, "/stats", Manage, usage::stats)
        .project(GET, "/logs", Manage, logs::list)
        .project(GET, "/logs/{id}", Manage, logs::show)
        .project(GET, "/webhooks", Manage, webhooks::list)
        .project(POST, "/webhooks", Manage, webhooks::create)
        .project(PATCH, "/webhooks/{id}", Manage, webhooks::update)
        .project(DELETE, "/webhooks/{id}", Manage, webhooks::delete)
        .project(POST, "/webhooks/{id}/test", Manage, webhooks::test)
        .project(POST, "/webhooks/{id}/rotate-secret", Manage, webhooks::rotate)
        .project(GET, "/webhooks/{id}/deliveries", Manage, webhooks::deliveries)
        .project(POST, "/webhooks/{id}/deliveries/{deliveryId}/resend", Manage, webhooks::resend)
        .project(POST, "/webhooks/deliveries/{deliveryId}/resend", Manage, webhooks::resend)
        .project_or_all(GET, "/audit-logs", Manage, audit_logs::list, audit_logs::list_all)
}
