//! `Debug` for requests and answers that carry secrets.

/// Writes a `Debug` that shows the named fields and tells that there is more: a secret that cannot
/// be printed cannot reach a log.
macro_rules! redacted_debug {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}
pub(crate) use redacted_debug;
