//! Objects that providers keep, bound to the customers they were made for.

use sea_orm::ConnectionTrait;

use super::batch::Batch;
use crate::StoreError;
use crate::rows::execute_rows;

const HEAD: &str =
    "INSERT INTO provider_objects (project_id, provider, kind, object_id, ref_id, key_id) VALUES";
/// Whose an object is does not change.
const TAIL: &str = " ON CONFLICT (project_id, provider, kind, object_id) DO NOTHING";

/// Binds the objects that the calls made or named.
pub(super) async fn bind(
    connection: &impl ConnectionTrait,
    batch: &Batch<'_>,
) -> Result<(), StoreError> {
    let made: Vec<_> = batch
        .iter()
        .flat_map(|record| record.objects.iter().map(move |object| (record, object)))
        .collect();
    execute_rows(connection, HEAD, 6, TAIL, &made, |(record, object), values| {
        values.extend([
            record.project.as_str().into(),
            record.provider.as_str().into(),
            (*object.kind).into(),
            object.id.as_str().into(),
            record.ref_id.as_str().into(),
            record.key.as_ref().map(|key| key.as_str()).into(),
        ]);
    })
    .await?;
    Ok(())
}
