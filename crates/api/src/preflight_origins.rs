//! The origins that any project allows: what a browser's preflight, which carries no key, is
//! answered by.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use byok_domain::origin::Allowlist;
use byok_store::Page;

use crate::error::ApiError;
use crate::query::MAX_LIMIT;
use crate::state::AppState;

/// How long the lists are used without asking again: this bounds how long a change made by another
/// process goes unseen, and how often anyone can make us read them all.
const FRESH: Duration = Duration::from_secs(10);

/// The allowlists of all projects, remembered.
#[derive(Default)]
pub(crate) struct PreflightOrigins {
    known: Mutex<Option<Known>>,
}

struct Known {
    lists: Arc<[Allowlist]>,
    read: Instant,
}

impl PreflightOrigins {
    /// Whether some project lets pages of `origin` use its publishable key.
    pub(crate) async fn some_project_permits(
        &self,
        state: &AppState,
        origin: &str,
    ) -> Result<bool, ApiError> {
        let lists = match self.fresh() {
            Some(lists) => lists,
            None => self.read(state).await?,
        };
        Ok(lists.iter().any(|list| list.permits(Some(origin))))
    }

    /// Drops what is known: a project or its list has changed.
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn fresh(&self) -> Option<Arc<[Allowlist]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.read.elapsed() < FRESH)?;
        Some(known.lists.clone())
    }

    async fn read(&self, state: &AppState) -> Result<Arc<[Allowlist]>, ApiError> {
        let mut lists: Vec<Allowlist> = Vec::new();
        let mut page = Page { limit: MAX_LIMIT, offset: 0 };
        loop {
            let projects = state.store.projects(page).await?;
            let read = projects.data.len() as u64;
            for project in projects.data {
                if !lists.contains(&project.allowed_origins) {
                    lists.push(project.allowed_origins);
                }
            }
            // An unrestricted project allows whatever the others might.
            if read < page.limit || lists.iter().any(Allowlist::is_unrestricted) {
                break;
            }
            page.offset += read;
        }
        let lists: Arc<[Allowlist]> = lists.into();
        let known = Known { lists: lists.clone(), read: Instant::now() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(lists)
    }
}
