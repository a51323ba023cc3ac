//! Statements that carry many rows of values.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

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
    let mut affected = 0;
    for statement in statements(connection, head, columns, tail, rows, fill) {
        affected += connection.execute_raw(statement).await?.rows_affected();
    }
    Ok(affected)
}

/// As [`execute_rows`], for statements that answer with rows.
pub(crate) async fn query_rows<R>(
    connection: &impl ConnectionTrait,
    head: &str,
    columns: usize,
    tail: &str,
    rows: &[R],
    fill: impl Fn(&R, &mut Vec<Value>),
) -> Result<Vec<QueryResult>, StoreError> {
    let mut answers = Vec::with_capacity(rows.len());
    for statement in statements(connection, head, columns, tail, rows, fill) {
        answers.extend(connection.query_all_raw(statement).await?);
    }
    Ok(answers)
}

/// `rows` in pieces of a few fixed sizes: statements of as many values are found prepared.
pub(crate) fn pieces<R>(rows: &[R]) -> impl Iterator<Item = &[R]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (piece, more) = rest.split_at(size);
        rest = more;
        Some(piece)
    })
}

fn statements<R>(
    connection: &impl ConnectionTrait,
    head: &str,
    columns: usize,
    tail: &str,
    rows: &[R],
    fill: impl Fn(&R, &mut Vec<Value>),
) -> Vec<Statement> {
    let numbered = connection.get_database_backend() == DbBackend::Postgres;
    let mut statements = Vec::new();
    let mut sql = (0, String::new());
    for piece in pieces(rows) {
        let size = piece.len();
        if sql.0 != size {
            sql = (size, statement(head, columns, tail, size, numbered));
        }
        let mut values = Vec::with_capacity(size * columns);
        for row in piece {
            fill(row, &mut values);
        }
        debug_assert_eq!(values.len(), size * columns, "a value for each column");
        statements.push(Statement::from_sql_and_values(BACKEND, sql.1.as_str(), values));
    }
    statements
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
