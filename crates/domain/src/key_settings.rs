//! What a customer is told of who pays: the banner over its keys.

use serde::Serialize;

use crate::routing::{CreditsSide, FallbackReason, Inputs, KeysState, Mode, Plan, Refusal, decide};

/// Who pays, in the words of the banner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The customer's own key.
    Byok,
    /// Credits, by the platform's own ("internal") key.
    Internal,
    /// Nobody, until the customer does something.
    Error,
}

/// How urgent a banner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Blue: the customer's own keys are used.
    Info,
    /// Green: credits are used.
    Success,
    /// Red: calls fail.
    Error,
}

/// What a customer sees over its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Banner {
    /// How urgent it is.
    pub level: Level,
    /// Its title.
    pub title: &'static str,
    /// One or two sentences.
    pub message: &'static str,
}

/// Who pays, why, and how the customer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// Who pays.
    pub source: Source,
    /// Why, as a sentence.
    pub reason: &'static str,
    /// What the customer sees.
    pub banner: Banner,
}

impl KeySettings {
    /// What a customer is told where `inputs` decide.
    pub fn of(inputs: Inputs) -> Self {
        let own = |reason, message| Self {
            source: Source::Byok,
            reason,
            banner: Banner { level: Level::Info, title: "Using Your API Keys (BYOK)", message },
        };
        let internal = |reason| Self {
            source: Source::Internal,
            reason,
            banner: Banner {
                level: Level::Success,
                title: "Using Internal Credits",
                message: internal_message(inputs),
            },
        };
        let error = |reason, message| Self {
            source: Source::Error,
            reason,
            banner: Banner { level: Level::Error, title: "Action Required", message },
        };
        match decide(inputs) {
            Ok(Plan::Byok | Plan::ByokThenCredits) if inputs.keys == KeysState::Invalid => error(
                "The provider rejected the API key, and nothing else can pay.",
                "Your provider rejected your API key. Replace it with a working one, or add credits \
                 where they are accepted.",
            ),
            Ok(Plan::Byok | Plan::ByokThenCredits) => own(
                own_reason(inputs),
                "Your requests use your own API keys. Your provider bills you directly, no credits \
                 are used, and only your provider's rate limits apply.",
            ),
            Ok(Plan::Credits { because }) => internal(internal_reason(inputs, because)),
            Ok(Plan::CreditsThenByok) => {
                internal("Credits are used first; your own API key takes over when they run out.")
            }
            Err(Refusal::ByokRequired) => error(
                "Only own API keys are accepted, and none is connected.",
                "This service accepts only your own API keys. Add an API key for at least one \
                 provider to continue.",
            ),
            Err(Refusal::KeyNotConnected) => {
                error("No API key is connected.", "Add an API key for your provider to continue.")
            }
            Err(Refusal::ByokNotInPlan) => error(
                "The plan does not include own API keys, and credits are not offered.",
                "Your plan does not include using your own API keys. Upgrade your plan to continue.",
            ),
            Err(Refusal::InsufficientCredits) => refused_credits(inputs, error),
        }
    }
}

fn own_reason(inputs: Inputs) -> &'static str {
    match inputs.mode {
        _ if inputs.keys == KeysState::CircuitOpen => {
            "The provider failed of late; your own API key is tried all the same."
        }
        Mode::ByokOnly => "Only own API keys are accepted, and yours is used.",
        Mode::ByokFirst => "Own API keys go first, and yours is used.",
        Mode::CreditFirst => "Credits go first and are used up; your own API key is used.",
    }
}

fn internal_reason(inputs: Inputs, because: Option<FallbackReason>) -> &'static str {
    match because {
        Some(FallbackReason::NoKey) => "No API key is connected; credits are used.",
        Some(FallbackReason::CircuitOpen) => {
            "Your provider failed of late; credits are used until your API key works again."
        }
        Some(_) => "The provider rejected your API key; credits are used.",
        None if !inputs.byok_enabled => "Own API keys are switched off; credits are used.",
        None if !inputs.byok_allowed => "The plan does not include own API keys; credits are used.",
        None => "Credits are used first.",
    }
}

fn internal_message(inputs: Inputs) -> &'static str {
    if !inputs.byok_enabled {
        "Using your own API keys is switched off at present. Your requests are paid with your credits."
    } else if !inputs.byok_allowed {
        "Your requests are paid with your credits. Upgrade your plan to use your own API keys; those \
         you have stored are kept."
    } else {
        "Your requests are paid with your credits, within the limits of your plan."
    }
}

fn refused_credits(
    inputs: Inputs,
    error: impl Fn(&'static str, &'static str) -> KeySettings,
) -> KeySettings {
    let offered = matches!(inputs.credits, CreditsSide::Empty);
    if !inputs.byok_enabled {
        error(
            "Own API keys are switched off, and there are no credits to pay with.",
            "Using your own API keys is switched off at present. Add credits to continue.",
        )
    } else if !inputs.byok_allowed {
        error(
            "The plan does not include own API keys, and there are no credits to pay with.",
            "Add credits, or upgrade your plan to use your own API keys.",
        )
    } else if offered {
        error(
            "No API key is connected, and there are no credits to pay with.",
            "Add an API key for your provider, or add credits, to continue.",
        )
    } else {
        error(
            "No API key is connected, and credits cannot pay for this provider.",
            "Add an API key for your provider to continue.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_input() -> impl Iterator<Item = Inputs> {
        let flags = [false, true];
        let keys = [KeysState::None, KeysState::Invalid, KeysState::CircuitOpen, KeysState::Usable];
        let credits = [
            CreditsSide::NoPlatformKeys,
            CreditsSide::OtherProviders,
            CreditsSide::Empty,
            CreditsSide::Available,
        ];
        flags.into_iter().flat_map(move |byok_enabled| {
            flags.into_iter().flat_map(move |byok_allowed| {
                Mode::ALL.into_iter().flat_map(move |mode| {
                    keys.into_iter().flat_map(move |keys| {
                        credits.into_iter().flat_map(move |credits| {
                            flags.into_iter().map(move |falls_back| Inputs {
                                byok_enabled,
                                byok_allowed,
                                mode,
                                keys,
                                falls_back,
                                credits,
                            })
                        })
                    })
                })
            })
        })
    }

    #[test]
    fn the_banner_says_what_is_decided_for_every_combination() {
        for inputs in every_input() {
            let KeySettings { source, banner, .. } = KeySettings::of(inputs);
            let decided = match decide(inputs) {
                Ok(Plan::Byok | Plan::ByokThenCredits) if inputs.keys != KeysState::Invalid => {
                    Source::Byok
                }
                Ok(Plan::Credits { .. } | Plan::CreditsThenByok) => Source::Internal,
                _ => Source::Error,
            };
            assert_eq!(source, decided, "{inputs:?}");
            let (level, title) = match source {
                Source::Byok => (Level::Info, "Using Your API Keys (BYOK)"),
                Source::Internal => (Level::Success, "Using Internal Credits"),
                Source::Error => (Level::Error, "Action Required"),
            };
            assert_eq!((banner.level, banner.title), (level, title), "{inputs:?}");
        }
    }

    #[test]
    fn a_banner_offers_no_way_that_is_closed() {
        for inputs in every_input() {
            let KeySettings { source, banner, .. } = KeySettings::of(inputs);
            if source != Source::Error || inputs.keys == KeysState::Invalid {
                continue;
            }
            let byok = inputs.byok_enabled && inputs.byok_allowed;
            if banner.message.contains("Add an API key") {
                assert!(byok, "{inputs:?}");
            }
            if byok && banner.message.contains("dd credits") {
                assert_eq!(inputs.credits, CreditsSide::Empty, "{inputs:?}");
            }
        }
    }
}
