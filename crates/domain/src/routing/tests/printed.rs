//! Tables of every combination, rows that do not differ put together.

use std::fmt::Write as _;

/// What stands to the left of a row: a name and every value of it.
pub(super) type Left<'a> = (&'a str, &'a [&'a str]);

/// A row as it is printed: the names of its values, and its cells.
type Row = (Vec<String>, Vec<String>);

/// Every combination of the values of `left`, told by their places, with its cells. Values that no
/// combination with the others tells apart share a row.
pub(super) fn printed(
    left: &[Left<'_>],
    columns: &[&str],
    cells: &dyn Fn(&[usize]) -> Vec<String>,
) -> String {
    let head = left.iter().map(|(name, _)| *name).chain(columns.iter().copied());
    let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
    lines.extend(rows(left, &[], cells).into_iter().map(|(left, cells)| [left, cells].concat()));
    let width = |at: usize| lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(text, "{}", cells.collect::<Vec<_>>().join(" | ").trim_end()).expect("a string");
    }
    text
}

fn rows(left: &[Left<'_>], place: &[usize], cells: &dyn Fn(&[usize]) -> Vec<String>) -> Vec<Row> {
    let Some((_, values)) = left.get(place.len()) else {
        return vec![(Vec::new(), cells(place))];
    };
    let mut groups: Vec<(Vec<&str>, Vec<Row>)> = Vec::new();
    for (at, name) in values.iter().enumerate() {
        let below = rows(left, &[place, &[at]].concat(), cells);
        match groups.iter_mut().find(|(_, known)| *known == below) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], below)),
        }
    }
    let named = |names: &[&str]| {
        if names.len() == values.len() { "any".to_owned() } else { names.join(" / ") }
    };
    let below = |(names, below): (Vec<&str>, Vec<Row>)| {
        let name = named(&names);
        let row = |(left, cells): Row| ([vec![name.clone()], left].concat(), cells);
        below.into_iter().map(row).collect::<Vec<_>>()
    };
    groups.into_iter().flat_map(below).collect()
}
