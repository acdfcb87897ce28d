//! Zstandard frames. Number 2 on the wire.

use std::cell::RefCell;

use distchan_proto::compression::Compressor;
use zstd_safe::{CCtx, DCtx};

/// zstd's own default: as good as it gets before it becomes slower than a network.
const LEVEL: i32 = zstd_safe::CLEVEL_DEFAULT;

thread_local! {
    /// Tables that are worth keeping: making them takes longer than a small batch.
    static CONTEXTS: RefCell<(CCtx<'static>, DCtx<'static>)> = RefCell::new((CCtx::create(), DCtx::create()));
}

pub(super) struct Zstd;

impl Compressor for Zstd {
    fn number(&self) -> u8 {
        2
    }

    fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
        let mut packed = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
        let written = CONTEXTS.with_borrow_mut(|(context, _)| context.compress(&mut packed, plain, LEVEL));
        match written {
            Ok(_) => out.extend_from_slice(&packed),
            // It is out of memory: what is not shorter travels as it is.
            Err(_) => out.extend_from_slice(plain),
        }
    }

    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        // Written to the end of its room and not beyond it, whatever the frame says.
        let mut plain = Vec::with_capacity(length);
        let written = CONTEXTS.with_borrow_mut(|(_, context)| context.decompress(&mut plain, packed));
        written.map_err(|code| zstd_safe::get_error_name(code).to_owned())?;
        out.append(&mut plain);
        Ok(())
    }
}
