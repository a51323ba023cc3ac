//! Which other names of a model its price may be listed under.

/// Areas that Amazon Bedrock's cross-region profiles are named by: `eu.anthropic.claude-opus-5`.
const AREAS: [&str; 15] = [
    "us", "us-gov", "eu", "global", "apac", "ap", "jp", "au", "ca", "sa", "in", "uk", "me", "af",
    "mx",
];

/// The other names to look `model` up by, best first; its own name is not among them.
///
/// Everywhere: without Google's `models/`, without a date or `-latest` at its end. At Bedrock: the
/// last part of an ARN, without the version (`-v1:0`), and last without the area of a
/// cross-region profile, whose own row may say another price.
///
/// A fine-tuned model (`ft:…`) costs other than what it was tuned from, so it has one name.
pub(super) fn of<'a>(provider: &str, model: &'a str) -> impl Iterator<Item = &'a str> {
    let names = if provider.starts_with("bedrock") { bedrock(model) } else { plain(model) };
    names.into_iter().flatten().filter(move |name| !name.is_empty() && *name != model)
}

fn plain(model: &str) -> [Option<&str>; 6] {
    let bare = model.strip_prefix("models/").unwrap_or(model);
    let undated = (!bare.starts_with("ft:")).then(|| without_date(bare)).flatten();
    [Some(bare), undated, None, None, None, None]
}

fn bedrock(model: &str) -> [Option<&str>; 6] {
    let bare = match model.strip_prefix("arn:") {
        Some(arn) => arn.rsplit_once('/').map_or("", |(_, last)| last),
        None => model,
    };
    let [unversioned, undated] = stems(bare);
    let home = without_area(bare);
    let [home_unversioned, home_undated] = home.map_or([None; 2], stems);
    [Some(bare), unversioned, undated, home, home_unversioned, home_undated]
}

/// A Bedrock name without its version, and without the date before that.
fn stems(name: &str) -> [Option<&str>; 2] {
    let unversioned = without_version(name);
    [unversioned, without_date(unversioned.unwrap_or(name))]
}

/// The name before `-YYYY-MM-DD`, `-YYYYMMDD`, `@` and a date, or `-latest`.
fn without_date(model: &str) -> Option<&str> {
    if let Some((name, date)) = model.rsplit_once('@') {
        return is_date(date).then_some(name);
    }
    model.strip_suffix("-latest").or_else(|| {
        [10, 8].into_iter().find_map(|len| {
            let (name, date) = model.split_at_checked(model.len().checked_sub(len)?)?;
            name.strip_suffix('-').filter(|_| is_date(date))
        })
    })
}

/// The name before `-v1`, `-v1:0` or `-v1:0:200k`.
fn without_version(name: &str) -> Option<&str> {
    let (stem, version) = name.rsplit_once("-v")?;
    let mut parts = version.split(':');
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let sound = parts.next().is_some_and(number)
        && parts.next().is_none_or(number)
        && parts.next().is_none_or(|window| window.strip_suffix('k').is_some_and(number))
        && parts.next().is_none();
    sound.then_some(stem)
}

/// The name behind an area's prefix, where it is one of a vendor and a model.
fn without_area(name: &str) -> Option<&str> {
    let (area, rest) = name.split_once('.')?;
    (AREAS.contains(&area) && rest.contains('.')).then_some(rest)
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
    fn a_model_has_other_names_without_prefix_and_date() {
        for (model, expected) in [
            ("gpt-5.4", &[][..]),
            ("gpt-5.4-2026-03-05", &["gpt-5.4"]),
            ("claude-opus-4-7-20260416", &["claude-opus-4-7"]),
            ("claude-sonnet-4-5@20250929", &["claude-sonnet-4-5"]),
            ("claude@2025-09-29", &["claude"]),
            ("mistral-large-latest", &["mistral-large"]),
            ("models/gemini-2.5-pro", &["gemini-2.5-pro"]),
            ("models/gemini-pro-latest", &["gemini-pro-latest", "gemini-pro"]),
            ("models/", &[]),
            ("gpt-4-0613", &[]),
            ("gpt-4o-2024-13-06", &[]),
            ("gpt-4o-2024-00-06", &[]),
            ("gpt-4o-2024-08-32", &[]),
            ("gpt-4o-3024-08-06", &[]),
            ("gpt-4o-2024-0806", &[]),
            ("gpt-4o2024-08-06", &[]),
            ("model-12345678", &[]),
            ("m-20240806-v1:0", &[]),
            ("us.m.n", &[]),
            ("m@latest", &[]),
            ("-latest", &[]),
            ("-2024-08-06", &[]),
            ("@2024-08-06", &[]),
            ("é-2024-08-06", &["é"]),
            ("aé24-08-06", &[]),
            ("ft:gpt-4o-2024-08-06", &[]),
            ("ft:gpt-4o-2024-08-06:acme::abc-latest", &[]),
            ("", &[]),
        ] {
            assert_eq!(of("openai", model).collect::<Vec<_>>(), expected, "{model}");
        }
    }

    #[test]
    fn a_bedrock_model_has_other_names_without_arn_version_and_area() {
        for (model, expected) in [
            ("anthropic.claude-opus-4-7", &[][..]),
            ("anthropic.claude-opus-4-6-v1", &["anthropic.claude-opus-4-6"]),
            ("a.m-20250929-v1:0", &["a.m-20250929", "a.m"]),
            ("a.m-v2:1:200k", &["a.m"]),
            ("eu.a.m", &["a.m"]),
            ("us-gov.a.m-v1:0", &["us-gov.a.m", "a.m-v1:0", "a.m"]),
            (
                "global.a.m-20250929-v1:0",
                &["global.a.m-20250929", "global.a.m", "a.m-20250929-v1:0", "a.m-20250929", "a.m"],
            ),
            ("arn:aws:bedrock:us-east-1::foundation-model/a.m", &["a.m"]),
            (
                "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.a.m-v1:0",
                &["eu.a.m-v1:0", "eu.a.m", "a.m-v1:0", "a.m"],
            ),
            ("arn:aws:bedrock:us-east-1::foundation-model/", &[]),
            ("arn:aws:bedrock", &[]),
            ("us.m", &[]),
            ("zz.a.m", &[]),
            ("a.m-v", &[]),
            ("a.m-v1:", &[]),
            ("a.m-v1:0:k", &[]),
            ("a.m-v1:0:200k:1", &[]),
            ("a.m-vision", &[]),
            ("-v1:0", &[]),
            ("us..", &["."]),
            ("", &[]),
        ] {
            assert_eq!(of("bedrock", model).collect::<Vec<_>>(), expected, "{model}");
        }
    }

    #[test]
    fn long_and_hostile_names_take_no_longer_than_their_length() {
        for unit in ["-", "-v", "-v1:0", ".", "us.", "@", "/", "arn:", "models/", "é", "2024-08-06"]
        {
            let name = unit.repeat(200_000 / unit.len());
            let began = std::time::Instant::now();
            for provider in ["openai", "bedrock"] {
                assert!(of(provider, &name).count() <= 6, "{unit}");
            }
            assert!(began.elapsed().as_millis() < 500, "{unit}");
        }
    }
}
