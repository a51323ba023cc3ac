//! How a method that has options is written down: as a request that is put together and sent.

/// A request: its type, what it answers, and its options, each a `query` parameter or a `field` of
/// the body.
macro_rules! request {
    (
        $(#[$doc:meta])*
        $name:ident -> $answer:ty {
            $($(#[$option_doc:meta])* $place:ident $option:ident($($type:tt)+) = $wire:literal;)*
        }
    ) => {
        crate::requests::options! {
            $(#[$doc])*
            $name { $($(#[$option_doc])* $place $option($($type)+) = $wire;)* }
        }

        impl $name {
            /// Sends the request.
            ///
            /// # Errors
            /// Those of [`Error`](crate::Error).
            pub async fn send(self) -> crate::Result<$answer> {
                self.0.send().await
            }
        }
    };
}

/// A request for a list: as `request`, by pages.
macro_rules! list {
    (
        $(#[$doc:meta])*
        $name:ident of $entry:ty {
            $($(#[$option_doc:meta])* $place:ident $option:ident($($type:tt)+) = $wire:literal;)*
        }
    ) => {
        crate::requests::options! {
            $(#[$doc])*
            $name {
                $($(#[$option_doc])* $place $option($($type)+) = $wire;)*
                /// How many entries a page has: 1 to 500, 50 unless set.
                query limit(u64) = "limit";
                /// How many entries to pass over.
                query offset(u64) = "offset";
            }
        }

        impl $name {
            /// Asks for one page.
            ///
            /// # Errors
            /// Those of [`Error`](crate::Error).
            pub async fn send(self) -> crate::Result<crate::Page<$entry>> {
                self.0.send().await
            }

            /// Every entry from here on, page after page.
            pub fn stream(self) -> crate::Items<$entry> {
                crate::Items::pages(self.0)
            }
        }
    };
}

macro_rules! options {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$option_doc:meta])* $place:ident $option:ident($($type:tt)+) = $wire:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "nothing is asked until it is sent"]
        pub struct $name(pub(crate) crate::ask::Ask);

        impl $name {
            $(crate::requests::option! {
                $(#[$option_doc])*
                $place $option($($type)+) = $wire
            })*
        }
    };
}

/// One option. Numbers are taken as they are, since a literal would not know what to become.
macro_rules! option {
    ($(#[$doc:meta])* $place:ident $option:ident(u64) = $wire:literal) => {
        $(#[$doc])*
        pub fn $option(self, value: u64) -> Self {
            Self(self.0.$place($wire, &value))
        }
    };
    ($(#[$doc:meta])* $place:ident $option:ident(i32) = $wire:literal) => {
        $(#[$doc])*
        pub fn $option(self, value: i32) -> Self {
            Self(self.0.$place($wire, &value))
        }
    };
    ($(#[$doc:meta])* $place:ident $option:ident(bool) = $wire:literal) => {
        $(#[$doc])*
        pub fn $option(self, value: bool) -> Self {
            Self(self.0.$place($wire, &value))
        }
    };
    ($(#[$doc:meta])* $place:ident $option:ident($type:ty) = $wire:literal) => {
        $(#[$doc])*
        pub fn $option(self, value: impl Into<$type>) -> Self {
            let value: $type = value.into();
            Self(self.0.$place($wire, &value))
        }
    };
}

/// A part of the API: the methods that belong together, on a client.
macro_rules! group {
    ($(#[$doc:meta])* $name:ident, $(#[$method_doc:meta])* $method:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            byok: crate::Byok,
        }

        impl crate::Byok {
            $(#[$method_doc])*
            pub fn $method(&self) -> $name {
                $name { byok: self.clone() }
            }
        }
    };
}

pub(crate) use {group, list, option, options, request};
