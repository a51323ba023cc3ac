//! Statements that carry many rows of values.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::StoreError;
use crate::column::BACKEND;

/// Rows a statement may carry. A few fixed sizes, so that the connection finds each of them among
/// the statements it has prepared; the values of a larger one no longer fit the processor's caches.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// Runs `head (…),(…),… tail` over all `rows`, each of which `fill` turns into `columns` values.
/// Returns how many rows of the database that affected.
pub(crate) async fn execute_rows<R>(
    connection: &impl ConnectionTrait,
    head: &str,
    columns: usize,
    tail: &str,
    rows: &[R],
    fill: impl Fn(&R, &mut Vec<Value>),
) -> Result<u64, StoreError> {
    let numbered = connection.get_database_backend() == DbBackend::Postgres;
    let mut rest = rows;
    let mut affected = 0;
    for size in SIZES {
        if rest.len() < size {
            continue;
        }
        let sql = statement(head, columns, tail, size, numbered);
        while let Some((rows, more)) = rest.split_at_checked(size) {
            rest = more;
            let mut values = Vec::with_capacity(size * columns);
            for row in rows {
                fill(row, &mut values);
            }
            debug_assert_eq!(values.len(), size * columns, "a value for each column");
            let statement = Statement::from_sql_and_values(BACKEND, sql.as_str(), values);
            affected += connection.execute_raw(statement).await?.rows_affected();
        }
    }
    Ok(affected)
}

fn statement(head: &str, columns: usize, tail: &str, rows: usize, numbered: bool) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * columns * 6);
    sql.push_str(head);
    for n in 0..rows * columns {
        sql.push_str(match (n, n % columns) {
            (0, _) => " (",
            (_, 0) => "),(",
            _ => ",",
        });
        // PostgreSQL needs numbers. SQLite looks the name of a numbered one up in a list, for each
        // of them: that was five sixths of the time that a batch of 256 calls took.
        if numbered {
            sql.push('$');
            sql.push_str(&(n + 1).to_string());
        } else {
            sql.push('?');
        }
    }
    sql.push(')');
    sql.push_str(tail);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_place_for_each_of_its_values() {
        let statement = |numbered| {
            statement("INSERT INTO t (a, b) VALUES", 2, " ON CONFLICT DO NOTHING", 2, numbered)
        };
        let plain = "INSERT INTO t (a, b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING";
        let numbered = "INSERT INTO t (a, b) VALUES ($1,$2),($3,$4) ON CONFLICT DO NOTHING";
        assert_eq!((statement(false).as_str(), statement(true).as_str()), (plain, numbered));
    }
}
