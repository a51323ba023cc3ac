//! SQL written piece by piece, its values beside it.

use sea_orm::{Statement, Value};

use crate::column::BACKEND;

/// SQL written piece by piece. Values go in by number, never by text.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds a piece of SQL of ours.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds the placeholder of a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    pub(crate) fn into_statement(self) -> Statement {
        Statement::from_sql_and_values(BACKEND, self.text, self.values)
    }
}
