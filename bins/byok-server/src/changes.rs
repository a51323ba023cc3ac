//! What other instances change, forgotten here.

use std::sync::Arc;

use byok_gateway::Gateway;
use byok_store::{Changed, Store};

/// Has the gateway forget what other instances on the database change, for as long as it is open.
pub(crate) async fn follow(store: Store, gateway: Arc<Gateway>) {
    store
        .watch_changes(|changed| match changed {
            Changed::Project(project) => gateway.forget_project(&project),
            Changed::ApiKey(key) => gateway.forget_api_key(&key),
            Changed::ProviderKeys(project, provider, ref_id) => {
                gateway.forget_provider_keys(&project, &provider, &ref_id);
            }
            Changed::PlatformKey(project, provider) => {
                gateway.forget_platform_key(&project, &provider);
            }
            Changed::Customer(project, ref_id) => gateway.forget_customer(&project, &ref_id),
            Changed::Anything => gateway.forget_all(),
        })
        .await;
}
