//! Before anything is served: keys that an earlier release stored with a session token in the clear
//! are sealed anew.

use byok_domain::audit::Actor;
use byok_gateway::{Ambient, Gateway, System};
use byok_store::{By, Store};

use crate::Failure;

/// Works off the list of such keys. One that does not open is left, and told of at each start.
pub(crate) async fn run(store: &Store, gateway: &Gateway) -> Result<(), Failure> {
    for key in store.database().keys_to_reseal().await? {
        let id = key.id.clone();
        match gateway.reseal(key).await {
            Ok(Some(key)) => {
                let by = By::new(Actor::system("resealing"), System.now());
                if store.reseal_key(&key.project, &key, &by).await? {
                    tracing::info!(key = %id, "the session token is sealed with its key now");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(key = %id, %error, "a key was not sealed anew"),
        }
    }
    Ok(())
}
