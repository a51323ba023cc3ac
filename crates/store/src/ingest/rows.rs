//! Statements that carry many rows of values.

use sea_orm::{ConnectionTrait, Statement, Value};

use crate::StoreError;
use crate::column::BACKEND;

/// Rows a statement may carry. A few fixed sizes, so that the connection finds each of them among
/// the statements it has prepared; the largest is far below SQLite's 32,766 values.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// Runs `head (…), (…), … tail` over all `rows`, each of which has `columns` values. Returns how
/// many rows of the database that affected.
pub(super) async fn execute_rows(
    connection: &impl ConnectionTrait,
    head: &str,
    columns: usize,
    tail: &str,
    rows: impl ExactSizeIterator<Item = Vec<Value>>,
) -> Result<u64, StoreError> {
    let mut rows = rows;
    let mut affected = 0;
    for size in SIZES {
        if rows.len() < size {
            continue;
        }
        let sql = statement(head, columns, tail, size);
        while rows.len() >= size {
            let mut values = Vec::with_capacity(size * columns);
            values.extend(rows.by_ref().take(size).flatten());
            let statement = Statement::from_sql_and_values(BACKEND, sql.as_str(), values);
            affected += connection.execute_raw(statement).await?.rows_affected();
        }
    }
    Ok(affected)
}

fn statement(head: &str, columns: usize, tail: &str, rows: usize) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * columns * 3);
    sql.push_str(head);
    // Without numbers: SQLite looks the name of a numbered one up in a list, for each of them.
    // With 22 columns and 256 rows that took 300 of the 330 µs that a row took.
    let row = format!("({})", vec!["?"; columns].join(","));
    for n in 0..rows {
        sql.push_str(if n == 0 { " " } else { "," });
        sql.push_str(&row);
    }
    sql.push_str(tail);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_place_for_each_of_its_values() {
        let sql = statement("INSERT INTO t (a, b) VALUES", 2, " ON CONFLICT DO NOTHING", 2);
        assert_eq!(sql, "INSERT INTO t (a, b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING");
    }
}
