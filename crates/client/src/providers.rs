//! The providers, and what each of them can do.
//!
//! What goes in and comes out is the provider's own: its documentation says what.

use crate::call::{Operation, Speech, Streaming, StreamingOperation, Target, Transcriptions};
use crate::client::Byok;

macro_rules! providers {
    ($(
        $(#[$doc:meta])*
        $name:ident, $open:ident = $id:literal {
            $($(#[$op_doc:meta])* $op:ident: $kind:ident($($argument:expr),*),)*
        }
    )*) => {
        impl Byok {
            $(
                $(#[$doc])*
                pub fn $open(&self, ref_id: impl Into<String>) -> $name {
                    $name(Target::new(self, $id, ref_id))
                }
            )*
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $name(Target);

            impl $name {
                $(providers!(@ $(#[$op_doc])* $op: $kind($($argument),*));)*
            }
        )*
    };
    (@ $(#[$doc:meta])* $op:ident: answers($name:expr)) => {
        $(#[$doc])*
        pub fn $op(&self) -> Operation {
            self.0.operation($name)
        }
    };
    (@ $(#[$doc:meta])* $op:ident: streams($name:expr)) => {
        $(#[$doc])*
        pub fn $op(&self) -> StreamingOperation {
            self.0.streaming($name, Streaming::Flag)
        }
    };
    (@ $(#[$doc:meta])* $op:ident: streams($name:expr, $other:expr)) => {
        $(#[$doc])*
        pub fn $op(&self) -> StreamingOperation {
            self.0.streaming($name, Streaming::Operation($other))
        }
    };
    (@ $(#[$doc:meta])* $op:ident: speaks($name:expr)) => {
        $(#[$doc])*
        pub fn $op(&self) -> Speech {
            Speech(self.0.operation($name))
        }
    };
    (@ $(#[$doc:meta])* $op:ident: listens($name:expr)) => {
        $(#[$doc])*
        pub fn $op(&self) -> Transcriptions {
            Transcriptions(self.0.operation($name))
        }
    };
    (@ $(#[$doc:meta])* $op:ident: chat()) => {
        $(#[$doc])*
        pub fn $op(&self) -> Chat {
            Chat(self.0.clone())
        }
    };
}

providers! {
    /// OpenAI, and every OpenAI-compatible host whose address a customer connects with its key.
    OpenAi, openai = "openai" {
        /// The Responses API.
        responses: streams("responses"),
        /// The Chat Completions API, under `chat().completions()`.
        chat: chat(),
        /// Embeddings.
        embeddings: answers("embeddings"),
        /// Images from texts.
        images: answers("images/generations"),
        /// Whether texts are harmful.
        moderations: answers("moderations"),
        /// Texts into speech.
        speech: speaks("audio/speech"),
        /// Speech into texts.
        transcriptions: listens("audio/transcriptions"),
    }
    /// Anthropic.
    Anthropic, anthropic = "anthropic" {
        /// The Messages API.
        messages: streams("messages"),
        /// How many tokens a message would be.
        count_tokens: answers("messages/count_tokens"),
    }
    /// Google AI Studio.
    Google, google = "google" {
        /// Content from a model, which the payload names as `model`.
        generate_content: streams("generateContent", "streamGenerateContent"),
        /// The embedding of a content.
        embed_content: answers("embedContent"),
        /// The embeddings of several contents.
        batch_embed_contents: answers("batchEmbedContents"),
        /// How many tokens a content would be.
        count_tokens: answers("countTokens"),
    }
    /// Azure OpenAI. The deployment is the key's, unless the payload names another as `model`.
    AzureOpenAi, azure_openai = "azure-openai" {
        /// The Chat Completions API, under `chat().completions()`.
        chat: chat(),
        /// The Responses API.
        responses: streams("responses"),
        /// Embeddings.
        embeddings: answers("embeddings"),
    }
    /// Amazon Bedrock. The payload names the model as `modelId`.
    Bedrock, bedrock = "bedrock" {
        /// A conversation; its stream has the events of `ConverseStream`.
        converse: streams("converse", "converseStream"),
        /// A model by its own request. Each event of its stream is a `chunk` that holds one of the
        /// model's own, as Base64 in `bytes`.
        invoke_model: streams("invokeModel", "invokeModelWithResponseStream"),
    }
    /// Cohere.
    Cohere, cohere = "cohere" {
        /// A conversation.
        chat: streams("chat"),
        /// Embeddings.
        embed: answers("embed"),
        /// Documents by their relevance.
        rerank: answers("rerank"),
    }
    /// Mistral.
    Mistral, mistral = "mistral" {
        /// A conversation.
        chat: streams("chat"),
        /// Embeddings.
        embeddings: answers("embeddings"),
        /// Documents into texts.
        ocr: answers("ocr"),
        /// Speech into texts.
        transcriptions: listens("audio/transcriptions"),
    }
}

/// OpenAI's chat, where OpenAI has it.
#[derive(Clone, Debug)]
pub struct Chat(Target);

impl Chat {
    /// The Chat Completions API.
    pub fn completions(&self) -> StreamingOperation {
        self.0.streaming("chat/completions", Streaming::Flag)
    }
}

/// A host that speaks as OpenAI does.
#[derive(Clone, Debug)]
pub struct Host(Target);

impl Byok {
    /// A host that speaks as OpenAI does and that the server knows by name: `deepseek`,
    /// `fireworks`, `groq`, `openrouter`, `together`, `xai`.
    pub fn host(&self, name: impl AsRef<str>, ref_id: impl Into<String>) -> Host {
        Host(Target::new(self, name.as_ref(), ref_id))
    }
}

impl Host {
    /// The Chat Completions API, under `chat().completions()`.
    pub fn chat(&self) -> Chat {
        Chat(self.0.clone())
    }

    /// Embeddings.
    pub fn embeddings(&self) -> Operation {
        self.0.operation("embeddings")
    }
}
