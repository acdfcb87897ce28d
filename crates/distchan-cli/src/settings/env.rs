//! Which variables jobs get beside those that their worker has.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use bytes::Bytes;

/// `NAME=VALUE`, `NAME`, `NAME,NAME` (with the values that they have here; a variable that is not set is left out).
pub(super) fn pairs(args: Vec<OsString>) -> Result<Vec<(Bytes, Bytes)>, String> {
    let mut pairs = Vec::new();
    for arg in args {
        let bytes = arg.as_bytes();
        if let Some(at) = bytes.iter().position(|byte| *byte == b'=') {
            let (name, value) = bytes.split_at(at);
            pairs.push((checked(name)?, Bytes::copy_from_slice(value.get(1..).unwrap_or_default())));
            continue;
        }
        for name in bytes.split(|byte| *byte == b',') {
            let name = checked(name)?;
            if let Some(value) = std::env::var_os(OsString::from_vec(name.to_vec())) {
                pairs.push((name, Bytes::from(value.into_vec())));
            }
        }
    }
    Ok(pairs)
}

fn checked(name: &[u8]) -> Result<Bytes, String> {
    if name.is_empty() || name.contains(&0) {
        return Err("--env wants NAME, NAME=VALUE or NAME,NAME".to_owned());
    }
    Ok(Bytes::copy_from_slice(name))
}
