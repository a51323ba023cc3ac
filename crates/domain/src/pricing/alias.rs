//! Which other names of a model its price may be listed under.

/// The names to look a model up by, best first: as it is, without Google's `models/`, then
/// without a date or `-latest` at its end.
///
/// A fine-tuned model (`ft:…`) costs other than what it was tuned from, so it has one name.
pub(super) fn names(model: &str) -> impl Iterator<Item = &str> {
    let bare = model.strip_prefix("models/");
    let plain = bare.unwrap_or(model);
    let undated = (!plain.starts_with("ft:")).then(|| without_version(plain)).flatten();
    [Some(model), bare, undated].into_iter().flatten()
}

/// The name before `-YYYY-MM-DD`, `-YYYYMMDD`, `@` and a date, or `-latest`.
fn without_version(model: &str) -> Option<&str> {
    if let Some((name, date)) = model.rsplit_once('@') {
        return is_date(date).then_some(name);
    }
    let name = model.strip_suffix("-latest").or_else(|| {
        [10, 8].into_iter().find_map(|len| {
            let (name, date) = model.split_at_checked(model.len().checked_sub(len)?)?;
            name.strip_suffix('-').filter(|_| is_date(date))
        })
    });
    name.filter(|name| !name.is_empty())
}

/// `YYYY-MM-DD` or `YYYYMMDD`, of this or the last century.
fn is_date(text: &str) -> bool {
    let digits = match text.as_bytes() {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => {
            [y[0], y[1], y[2], y[3], *m1, *m2, *d1, *d2]
        }
        [a, b, c, d, e, f, g, h] => [*a, *b, *c, *d, *e, *f, *g, *h],
        _ => return false,
    };
    let pair = |at: usize| (digits[at] - b'0') * 10 + digits[at + 1] - b'0';
    digits.iter().all(u8::is_ascii_digit)
        && matches!(pair(0), 19 | 20)
        && (1..=12).contains(&pair(4))
        && (1..=31).contains(&pair(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_looked_up_by_its_name_before_its_aliases() {
        for (model, expected) in [
            ("gpt-5.4", &["gpt-5.4"][..]),
            ("gpt-5.4-2026-03-05", &["gpt-5.4-2026-03-05", "gpt-5.4"]),
            ("claude-opus-4-7-20260416", &["claude-opus-4-7-20260416", "claude-opus-4-7"]),
            ("claude-sonnet-4-5@20250929", &["claude-sonnet-4-5@20250929", "claude-sonnet-4-5"]),
            ("claude@2025-09-29", &["claude@2025-09-29", "claude"]),
            ("mistral-large-latest", &["mistral-large-latest", "mistral-large"]),
            ("models/gemini-2.5-pro", &["models/gemini-2.5-pro", "gemini-2.5-pro"]),
            (
                "models/gemini-pro-latest",
                &["models/gemini-pro-latest", "gemini-pro-latest", "gemini-pro"],
            ),
            ("gpt-4-0613", &["gpt-4-0613"]),
            ("gpt-4o-2024-13-06", &["gpt-4o-2024-13-06"]),
            ("gpt-4o-2024-00-06", &["gpt-4o-2024-00-06"]),
            ("gpt-4o-2024-08-32", &["gpt-4o-2024-08-32"]),
            ("gpt-4o-3024-08-06", &["gpt-4o-3024-08-06"]),
            ("gpt-4o-2024-0806", &["gpt-4o-2024-0806"]),
            ("gpt-4o2024-08-06", &["gpt-4o2024-08-06"]),
            ("model-12345678", &["model-12345678"]),
            ("m-20240806-v1:0", &["m-20240806-v1:0"]),
            ("m@latest", &["m@latest"]),
            ("-latest", &["-latest"]),
            ("-2024-08-06", &["-2024-08-06"]),
            ("é-2024-08-06", &["é-2024-08-06", "é"]),
            ("aé24-08-06", &["aé24-08-06"]),
            ("ft:gpt-4o-2024-08-06", &["ft:gpt-4o-2024-08-06"]),
            ("ft:gpt-4o-2024-08-06:acme::abc-latest", &["ft:gpt-4o-2024-08-06:acme::abc-latest"]),
            ("", &[""]),
        ] {
            assert_eq!(names(model).collect::<Vec<_>>(), expected, "{model}");
        }
    }
}
