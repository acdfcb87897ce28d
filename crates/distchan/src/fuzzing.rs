//! What the fuzz targets reach of this crate besides what is public.

pub use crate::security::fuzzing::{base64, book, door};
