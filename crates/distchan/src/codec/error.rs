//! Why a value could not be written or read. Names the type and the codec, because the formats' own messages do not.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A value that could not be encoded or decoded. The text names the type, the codec and the cause.
///
/// It is one pointer wide, as it is carried by every call of the hot path.
#[derive(Clone)]
pub struct CodecError(Arc<Failure>);

struct Failure {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CodecError {
    /// A `T` that `codec` could not write, because of `source`. `hint` is what the user can do about it.
    #[cold]
    pub(crate) fn encoding<T: ?Sized>(
        codec: &str,
        source: impl Error + Send + Sync + 'static,
        hint: Option<&str>,
    ) -> Self {
        Self::caused("encode", type_name::<T>(), codec, source, hint)
    }

    /// Bytes out of which `codec` could not read a `T`, because of `source`.
    #[cold]
    pub(crate) fn decoding<T>(
        codec: &str,
        source: impl Error + Send + Sync + 'static,
        hint: Option<&str>,
    ) -> Self {
        Self::caused("decode", type_name::<T>(), codec, source, hint)
    }

    /// Bytes that hold a `T` and `count` bytes more.
    #[cold]
    pub(crate) fn trailing<T>(codec: &str, count: usize) -> Self {
        let name = type_name::<T>();
        let bytes = if count == 1 { "1 byte follows" } else { &format!("{count} bytes follow") };
        let message = format!("cannot decode `{name}` as {codec}: {bytes} the value");
        Self(Arc::new(Failure { message, source: None }))
    }

    /// Bytes on which `T`'s own `Deserialize` panicked.
    #[cold]
    pub(crate) fn panicked<T>(panic: &str) -> Self {
        let message = format!("cannot decode `{}`: {panic}", type_name::<T>());
        Self(Arc::new(Failure { message, source: None }))
    }

    fn caused(
        verb: &str,
        name: &str,
        codec: &str,
        source: impl Error + Send + Sync + 'static,
        hint: Option<&str>,
    ) -> Self {
        let mut message = format!("cannot {verb} `{name}` as {codec}: {source}");
        if let Some(hint) = hint {
            message.push_str("; ");
            message.push_str(hint);
        }
        Self(Arc::new(Failure { message, source: Some(Box::new(source)) }))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodecError").field(&self.0.message).finish()
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
