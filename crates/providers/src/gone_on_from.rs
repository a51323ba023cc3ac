//! What an account keeps of earlier calls, and later ones go on from.
//!
//! Whoever knows such an id may use it. Where many customers share one account, whose it is matters.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::provider::{ObjectRef, Route};

/// The kind of what later calls may go on from, if the answer to `route` is kept for that.
pub fn kept_answer(route: &Route) -> Option<&'static str> {
    (route.operation.name == "responses").then_some("response")
}

/// What a call goes on from. What is named in a way that cannot be read has an empty id, which is
/// nobody's. A member that is there twice counts twice: which one the provider takes is not known.
pub fn gone_on_from(route: &Route, body: &[u8]) -> Vec<ObjectRef> {
    let mut found = Vec::new();
    // Mistral names it in the path.
    if route.operation.name.starts_with("conversations/") {
        found.push(ObjectRef { kind: "conversation", id: String::new() });
    }
    let Ok(Json::Object(members)) = serde_json::from_slice(body) else { return found };
    for (name, value) in &members {
        match name.as_str() {
            "previous_response_id" => found.extend(value.names("response")),
            "previous_interaction_id" => found.extend(value.names("interaction")),
            "conversation" => found.extend(value.names("conversation")),
            "container" => found.extend(value.existing_container()),
            "tools" => {
                let containers = value.items().flat_map(|tool| tool.all("container"));
                found.extend(containers.flat_map(Json::existing_container));
            }
            "input" => {
                let references = value.items().filter(|item| item.is_reference());
                found.extend(references.flat_map(|item| item.names("item")));
            }
            _ => {}
        }
    }
    found
}

/// JSON with every member of its objects, also those of one name.
enum Json {
    Null,
    Text(String),
    Items(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other,
}

impl Json {
    fn items(&self) -> impl Iterator<Item = &Json> {
        match self {
            Self::Items(items) => items.as_slice(),
            _ => &[],
        }
        .iter()
    }

    fn all<'j>(&'j self, name: &'j str) -> impl Iterator<Item = &'j Json> {
        let members = match self {
            Self::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// The objects that it names: by a text, or by the `id` of an object.
    fn names(&self, kind: &'static str) -> Vec<ObjectRef> {
        let one = |id: &str| ObjectRef { kind, id: id.to_owned() };
        match self {
            Self::Null => Vec::new(),
            Self::Text(id) => vec![one(id)],
            _ => {
                let ids = self.all("id").map(|id| match id {
                    Self::Text(id) => one(id),
                    _ => one(""),
                });
                let ids: Vec<_> = ids.collect();
                if ids.is_empty() { vec![one("")] } else { ids }
            }
        }
    }

    /// A container that is there; without an id, a new one is made.
    fn existing_container(&self) -> Vec<ObjectRef> {
        match self {
            Self::Object(_) if self.all("id").all(|id| matches!(id, Self::Null)) => Vec::new(),
            other => other.names("container"),
        }
    }

    /// Whether an item of the input stands for one that the account keeps.
    fn is_reference(&self) -> bool {
        let is_one = |kind: &Json| matches!(kind, Self::Text(kind) if kind == "item_reference");
        let mut kinds = self.all("type").filter(|kind| !matches!(kind, Self::Null)).peekable();
        match kinds.peek() {
            Some(_) => kinds.any(is_one),
            None => self.all("id").next().is_some() && self.all("content").next().is_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Json::Items(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Json::Object(all))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::find;

    fn named(provider: &str, path: &str, body: &str) -> Vec<(&'static str, String)> {
        let route = find(provider).expect("registered").drop_in(&Method::POST, path);
        let named = gone_on_from(&route, body.as_bytes());
        named.into_iter().map(|object| (object.kind, object.id)).collect()
    }

    #[test]
    fn whatever_an_account_keeps_is_found_where_a_call_names_it() {
        for (body, kind, ids) in [
            (r#"{"previous_response_id":"r1"}"#, "response", &["r1"][..]),
            (
                r#"{"previous_response_id":"r1","previous_response_id":"r2"}"#,
                "response",
                &["r1", "r2"],
            ),
            (r#"{"previous\u005fresponse_id":"r1"}"#, "response", &["r1"]),
            (r#"{"previous_response_id":7}"#, "response", &[""]),
            (r#"{"conversation":"c1"}"#, "conversation", &["c1"]),
            (r#"{"conversation":{"id":"c1","id":"c2"}}"#, "conversation", &["c1", "c2"]),
            (r#"{"conversation":{}}"#, "conversation", &[""]),
            (r#"{"previous_interaction_id":"i1"}"#, "interaction", &["i1"]),
            (r#"{"container":"k1"}"#, "container", &["k1"]),
            (r#"{"container":{"id":"k1","skills":[]}}"#, "container", &["k1"]),
            (r#"{"tools":[{"type":"code_interpreter","container":"k1"}]}"#, "container", &["k1"]),
            (r#"{"input":[{"type":"item_reference","id":"m1"}]}"#, "item", &["m1"]),
            (r#"{"input":[{"id":"m1"},{"type":null,"id":"m2"}]}"#, "item", &["m1", "m2"]),
            (
                r#"{"input":[{"type":"message","type":"item_reference","id":"m1"}]}"#,
                "item",
                &["m1"],
            ),
        ] {
            let expected: Vec<_> = ids.iter().map(|id| (kind, (*id).to_owned())).collect();
            assert_eq!(named("openai", "responses", body), expected, "{body}");
        }
        for body in [
            r#"{"input":"Hi","previous_response_id":null,"conversation":null,"container":null}"#,
            r#"{"input":[{"role":"user","content":"Hi"},{"id":"m1","type":"message","content":[]}]}"#,
            r#"{"input":[{"id":"m1","role":"assistant","content":"Hi"}]}"#,
            r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#,
            r#"{"container":{"skills":[{"skill_id":"pdf"}]},"metadata":{"conversation":"c1"}}"#,
            "[]",
            "",
        ] {
            assert_eq!(named("openai", "responses", body), [], "{body}");
        }
        let turn = named("mistral", "v1/conversations/c1", r#"{"inputs":"Hi"}"#);
        assert_eq!(turn, [("conversation", String::new())]);
        assert_eq!(named("mistral", "v1/conversations", r#"{"inputs":"Hi"}"#), []);
    }

    #[test]
    fn responses_are_kept() {
        let route = |path| find("openai").expect("registered").drop_in(&Method::POST, path);
        assert_eq!(kept_answer(&route("responses")), Some("response"));
        assert_eq!(kept_answer(&route("chat/completions")), None);
    }
}
