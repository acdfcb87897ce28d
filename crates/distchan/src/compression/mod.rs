//! Compression that both sides know by its number: for jobs and results that are text, or tables, on lines that are slower than a processor. Each
//! kind stands behind a feature of its own, so that nobody compiles what is not used.

#[cfg(feature = "lz4")]
mod lz4;
#[cfg(all(test, feature = "lz4", feature = "zstd"))]
mod tests;
#[cfg(feature = "zstd")]
mod zstd;

use distchan_proto::compression::SharedCompressor;

/// How the values of a channel are compressed on their way, whole batches at once: [`ChannelBuilder::compress`](crate::ChannelBuilder::compress).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// LZ4: costs little, for lines that are nearly as fast as a processor. With the feature `lz4`.
    #[cfg(feature = "lz4")]
    Lz4,
    /// Zstandard at its usual level, 3: shorter than LZ4, and slower. With the feature `zstd`, which compiles zstd's own code, in C.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    pub(crate) fn shared(self) -> SharedCompressor {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4 => SharedCompressor(std::sync::Arc::new(lz4::Lz4)),
            #[cfg(feature = "zstd")]
            Self::Zstd => SharedCompressor(std::sync::Arc::new(zstd::Zstd)),
        }
    }
}

/// What a worker offers: all that were compiled in.
pub(crate) fn known() -> Vec<SharedCompressor> {
    let all: &[Compression] = &[
        #[cfg(feature = "lz4")]
        Compression::Lz4,
        #[cfg(feature = "zstd")]
        Compression::Zstd,
    ];
    all.iter().map(|compression| compression.shared()).collect()
}
