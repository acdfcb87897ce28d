//! The structure of the types that travel, so that two builds which do not agree on it find out before the first
//! value does.
//!
//! It must never need more of a type than serde's derive, and never say that two types are the same where one could
//! read the other's bytes as something else, unless [`Schema::blind_spot`] names the place.
//!
//! # What counts
//!
//! What a type's `Deserialize` asks the format for, in the format's own order: kinds and widths of
//! values, names and order of fields and variants, lengths of tuples and arrays. Where two types do not differ in
//! that, no format that distchan uses can tell them apart.
//!
//! | of the type | verdict |
//! |---|---|
//! | name of a struct or enum, module, generic parameters, crate | does not count; the name is kept for messages |
//! | newtype struct, `transparent`, `Box`, `Rc`, `Cow`, `from`, `into` | is the type inside |
//! | tuple struct, tuple, array | a tuple of this length |
//! | unit struct, `PhantomData`, `()` | `()` |
//! | sets, lists, slices, `Vec` | a sequence; `Vec<u8>` is one of `u8`, `serde_bytes` is bytes |
//! | `rename`, `rename_all` | the new name counts |
//! | `alias` | counts as a field or variant of its own, as serde lists it as one |
//! | `skip`, `skip_deserializing` | not there |
//! | `default`, `skip_serializing_if`, `deny_unknown_fields` | cannot be seen |
//! | `with`, `deserialize_with`, `remote` | what the function asks for |
//! | `bound`, `crate` | do not count; a type that must borrow is not one that travels |
//! | `other` | a unit variant |
//! | `tag` | opaque: its content can only be read by whoever knows it |
//! | `tag` and `content` | a struct of both, the content for each variant; if that is a struct variant, it is `any` |
//! | `untagged`, `serde_json::Value` | opaque or `any`: they ask for whatever comes |
//! | `flatten` | a map of identifiers to `any`, whatever the fields |
//!
//! A type that refuses the ordinary values of its kind (`NonZeroU32` takes no 0, a URL no empty string) is
//! *opaque*: it differs from the plain kind and from types that take other samples. The samples are a fixed list.
//!
//! # What cannot be seen
//!
//! A type that takes none of the samples cannot be made, and what comes behind it in a tuple or tuple struct is
//! unknown (the fields of a struct are not affected). [`Schema::blind_spot`] names such a place.
//!
//! Only `Deserialize` is looked at: `Serialize` is taken to agree. It does not where serde's own attributes part them:
//! `skip_serializing_if` in a format without names, or a skipped variant before another in one that counts
//! variants.
//!
//! Two types are taken for one if the compiler gives their visitors one name and serde their fields: that takes two types
//! of the same name in one function, or in two versions of one crate.
//!
//! # Limits
//!
//! A trace follows a type 64 levels deep, through at most 2000 types and 16 384 places inside them, in at most 400 000
//! steps, and while the values on the way take at most 64 KiB. A schema on the wire has at most [`MAX_ENCODED`] bytes and 2048 types.

mod canon;
mod difference;
mod fingerprint;
mod path;
mod read;
mod sample;
mod shape;
mod text;
mod trace;
mod wire;

pub use difference::{Parties, first_difference, first_difference_between};
pub use fingerprint::Fingerprint;
pub use read::SchemaError;
pub use shape::Schema;
pub use wire::MAX_ENCODED;
