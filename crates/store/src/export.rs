//! The whole request log, page by page.

use byok_domain::{ProjectId, RequestId};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::calls::{matching, read};
use crate::entity::calls::Column;
use crate::{Call, CallFilter, Store, StoreError};

/// Calls read at a time: what an export takes of memory, however long it is.
const PAGE: usize = 500;

/// A project's calls, oldest first, read a page at a time. It holds no connection between pages,
/// so a slow reader keeps nobody from anything.
pub struct CallExport {
    store: Store,
    project: ProjectId,
    filter: CallFilter,
    last: Option<RequestId>,
    ended: bool,
}

impl Store {
    /// Begins to read a project's calls, oldest first.
    pub fn export_calls(&self, project: &ProjectId, filter: &CallFilter) -> CallExport {
        CallExport {
            store: self.clone(),
            project: project.clone(),
            filter: filter.clone(),
            last: None,
            ended: false,
        }
    }
}

impl CallExport {
    /// The next calls; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<Call>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let mut query = matching(&self.project, &self.filter);
        if let Some(last) = self.last {
            query = query.filter(Column::Id.gt(last.as_bytes().to_vec()));
        }
        let rows = query
            .order_by_asc(Column::Id)
            .limit(PAGE as u64)
            .all(self.store.database().reader())
            .await?;
        self.ended = rows.len() < PAGE;
        let page = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.last = page.last().map(|call| call.id).or(self.last);
        Ok(if page.is_empty() { None } else { Some(page) })
    }
}
