//! What secrets cannot do, held by the compiler: this file does not compile once they can.

use std::fmt::{Debug, Display};

use byok_vault::{AdminToken, AuditKey, DataKey, Keyring, ProviderSecret, Token, TokenHasher};

/// Fails to compile when the type has one of the traits: `probe` is then ambiguous, since both
/// implementations of `Probe` fit.
macro_rules! never {
    ($type:ty: $($trait:path),+) => {
        const _: fn() = || {
            trait Probe<Marker> {
                fn probe() {}
            }
            impl<T: ?Sized> Probe<()> for T {}
            $({
                struct Has;
                impl<T: ?Sized + $trait> Probe<Has> for T {}
            })+
            <$type as Probe<_>>::probe();
        };
    };
}

never!(ProviderSecret: Debug, Display, Clone, Copy, PartialEq, AsRef<[u8]>, AsRef<str>, ToString);
never!(Token: Debug, Display, Clone, Copy, PartialEq, AsRef<[u8]>, AsRef<str>, ToString);
never!(DataKey: Debug, Display, Clone);
never!(Keyring: Debug, Display, Clone);
never!(TokenHasher: Debug, Display);
never!(AuditKey: Debug, Display);
never!(AdminToken: Debug, Display, Clone, PartialEq);

#[test]
fn secrets_are_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<ProviderSecret>();
    wiped::<Token>();
    wiped::<DataKey>();
}
