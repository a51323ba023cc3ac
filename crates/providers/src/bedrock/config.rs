//! What belongs to a Bedrock key beside the secret.

use byok_domain::{FieldError, ProviderConfig};

/// The longest session token that is taken, in characters; AWS states no limit, and issues about a
/// thousand.
const TOKEN_CAP: usize = 4096;

/// The region, if it is one that can stand in a host's name.
pub(super) fn region(config: &ProviderConfig) -> Option<&str> {
    config.get("region").filter(|region| is_label(region))
}

/// One label of a host's name, so that nothing written here chooses another host.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

pub(super) fn check(config: &ProviderConfig) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: &'static str| {
        errors.push(FieldError::new(format!("providerConfig.{field}"), message));
    };
    if config.get("region").is_none() {
        wrong("region", "is missing; send the AWS region the key is used in, such as us-east-1");
    }
    if config.get("sessionToken").is_some() && config.get("accessKeyId").is_none() {
        wrong("accessKeyId", "is missing; a session token belongs to an access key id");
    }
    for (field, value) in config.iter() {
        match field {
            "region" if !is_label(value) => wrong(
                field,
                "must be a region's name in lower-case letters, digits and dashes, such as us-east-1",
            ),
            "accessKeyId"
                if !(16..=128).contains(&value.len())
                    || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                wrong(
                    field,
                    "must be 16 to 128 letters and digits, as AWS shows it (AKIA… or ASIA…); the secret access key is sent as providerKey",
                );
            }
            "sessionToken"
                if !(1..=TOKEN_CAP).contains(&value.len())
                    || !value.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                wrong(field, "must be 1 to 4096 visible ASCII characters, as AWS issued it");
            }
            "region" | "accessKeyId" | "sessionToken" => {}
            _ => wrong(
                field,
                "is not a field of bedrock; use region, and with an access key accessKeyId and sessionToken",
            ),
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_field_is_named() {
        let id = "AKIAIOSFODNN7EXAMPLE";
        let long = "x".repeat(TOKEN_CAP + 1);
        for (fields, wrong) in [
            (vec![("region", "us-east-1")], vec![]),
            (vec![("region", "us-gov-west-1"), ("accessKeyId", id)], vec![]),
            (
                vec![("region", "eu-west-1"), ("accessKeyId", id), ("sessionToken", "a/b+c==")],
                vec![],
            ),
            (vec![], vec!["region"]),
            (vec![("region", "us-east-1"), ("sessionToken", "t")], vec!["accessKeyId"]),
            (
                vec![("region", "us-east-1"), ("accessKeyId", "AKIA 1234567890123")],
                vec!["accessKeyId"],
            ),
            (vec![("region", "us-east-1"), ("accessKeyId", "short")], vec!["accessKeyId"]),
            (
                vec![("region", "us-east-1"), ("accessKeyId", id), ("sessionToken", &long)],
                vec!["sessionToken"],
            ),
            (
                vec![("region", "us-east-1"), ("accessKeyId", id), ("sessionToken", "a\r\nb")],
                vec!["sessionToken"],
            ),
            (vec![("region", "us-east-1"), ("baseUrl", "https://x")], vec!["baseUrl"]),
            (vec![("region", "us-east-1"), ("secretAccessKey", "x")], vec!["secretAccessKey"]),
        ] {
            let mut config = ProviderConfig::default();
            fields.iter().for_each(|(field, value)| config.set(field, *value));
            let named: Vec<String> = check(&config).into_iter().map(|e| e.field).collect();
            let expected: Vec<_> = wrong.iter().map(|f| format!("providerConfig.{f}")).collect();
            assert_eq!(named, expected, "{fields:?}");
        }
    }

    #[test]
    fn a_region_is_one_plain_label_of_a_hosts_name() {
        let long = "a".repeat(64);
        for bad in [
            "",
            "US-EAST-1",
            "us-east-1.",
            "evil.com#",
            "x.evil.com/",
            "us east",
            "us-east-1/",
            "a@b",
            "us_east",
            "-us",
            "us-",
            "us%2d",
            "us:443",
            "ü",
            "us\r\n",
            &long,
        ] {
            let mut config = ProviderConfig::default();
            config.set("region", bad);
            assert_eq!(region(&config), None, "{bad:?}");
            assert_eq!(check(&config).len(), 1, "{bad:?}");
        }
    }
}
