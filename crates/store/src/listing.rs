//! A part of a list, and how long the whole is.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryOrder, QuerySelect, Select,
};

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most so many.
    pub limit: u64,
    /// After passing over so many.
    pub offset: u64,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// What is in this part.
    pub data: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// A part of what `query` finds, in the order of two columns: a time, and the id of those that share
/// one.
pub(crate) async fn in_order<E>(
    reader: &DatabaseConnection,
    query: Select<E>,
    [time, id]: [E::Column; 2],
    page: Page,
) -> Result<Listing<E::Model>, DbErr>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    E::Column: ColumnTrait,
{
    let total = query.clone().count(reader).await?;
    let query = query.order_by_asc(time).order_by_asc(id).limit(page.limit).offset(page.offset);
    Ok(Listing { data: query.all(reader).await?, total })
}

impl<T> Listing<T> {
    /// The same part, each entry as `read` reads it.
    pub(crate) fn try_map<U, E>(
        self,
        read: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Listing<U>, E> {
        let data = self.data.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listing { data, total: self.total })
    }
}
