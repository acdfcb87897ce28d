//! LZ4 blocks. Number 1 on the wire.

use distchan_proto::compression::Compressor;
use lz4_flex::block;

pub(super) struct Lz4;

impl Compressor for Lz4 {
    fn number(&self) -> u8 {
        1
    }

    fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + block::get_maximum_output_size(plain.len()), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = block::compress_into(plain, room).expect("as much room as it can take");
        out.truncate(start + written);
    }

    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        out.resize(start + length, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = block::decompress_into(packed, room).map_err(|error| error.to_string())?;
        out.truncate(start + written);
        Ok(())
    }
}
