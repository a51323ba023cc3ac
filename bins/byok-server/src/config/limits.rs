//! The Redis in which several servers count the limits of plans together.

use byok_store::{FailMode, RedisUrl};

use super::Setting;
use super::reader::Reader;

/// Where limits are counted for several servers.
pub(crate) struct SharedLimits {
    /// The Redis, with the credentials for it.
    pub(crate) redis: RedisUrl,
    /// What happens to calls on credits while it is away.
    pub(crate) fail: FailMode,
}

/// The settings for limits. Without a Redis there is nothing that can fail.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<SharedLimits> {
    let fail = reader.get(Setting::LIMITS_FAIL, |text| match text {
        "open" => Ok(FailMode::Open),
        "closed" => Ok(FailMode::Closed),
        _ => {
            Err("is neither `open` (calls on credits pass while Redis is away) nor `closed` (they \
                  are refused); write one of them"
                .to_owned())
        }
    });
    let redis = reader.get(Setting::REDIS_URL, |text| RedisUrl::parse(text).map_err(str::to_owned));
    Some(SharedLimits { redis: redis?, fail: fail.unwrap_or_default() })
}
