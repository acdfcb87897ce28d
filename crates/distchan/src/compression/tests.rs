use distchan_proto::compression::SharedCompressor;

use super::{Compression, known};

const ALL: [Compression; 2] = [Compression::Lz4, Compression::Zstd];

fn compress(compressor: &SharedCompressor, plain: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    compressor.0.compress(plain, &mut out);
    out.split_off(6)
}

fn decompress(compressor: &SharedCompressor, packed: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let mut out = b"before".to_vec();
    compressor.0.decompress(packed, length, &mut out)?;
    assert!(out.len() <= 6 + length, "more than was asked for");
    assert_eq!(&out[..6], b"before");
    Ok(out.split_off(6))
}

/// Bytes without any order; always the same ones.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = std::iter::from_fn(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(state.to_le_bytes()[0])
    });
    next.take(length).collect()
}

#[test]
fn what_is_compressed_comes_back() {
    for compression in ALL {
        let compressor = compression.shared();
        for length in [0, 1, 2, 13, 255, 256, 4095, 65_536, 1_000_000] {
            for plain in [
                noise(length),
                vec![7; length],
                b"a line of text\n".iter().copied().cycle().take(length).collect(),
            ] {
                let packed = compress(&compressor, &plain);
                assert_eq!(decompress(&compressor, &packed, length), Ok(plain), "{compression:?}");
            }
        }
        let text = b"a line of text\n".repeat(1000);
        assert!(compress(&compressor, &text).len() < text.len() / 20, "{compression:?}");
    }
}

#[test]
fn nothing_becomes_longer_than_was_said() {
    for compression in ALL {
        let compressor = compression.shared();
        // 30 MB in a few KB.
        let packed = compress(&compressor, &vec![0; 30_000_000]);
        for length in [0, 1, 1000, 29_999_999] {
            let error = decompress(&compressor, &packed, length).unwrap_err();
            assert!(!error.is_empty(), "{compression:?}");
        }
    }
}

#[test]
fn whatever_a_peer_sends_is_an_error_or_not_too_long() {
    for compression in ALL {
        let compressor = compression.shared();
        let packed = compress(&compressor, &b"a line of text\n".repeat(20));
        for at in 0..packed.len() {
            // Both answers are right; that there is one is what counts.
            drop(decompress(&compressor, &packed[..at], 300));
            for bit in 0..8 {
                let mut changed = packed.clone();
                changed[at] ^= 1 << bit;
                drop(decompress(&compressor, &changed, 300));
            }
        }
        assert!(decompress(&compressor, &noise(300), 300).is_err(), "{compression:?}");
    }
}

#[test]
fn numbers_are_those_of_the_document() {
    let protocol = include_str!("../../../../PROTOCOL.md");
    for (compression, name) in [(Compression::Lz4, "LZ4"), (Compression::Zstd, "Zstandard")] {
        let row = format!("| {} | {name}:", compression.shared().0.number());
        assert!(protocol.contains(&row), "{row}");
    }
    let numbers: Vec<u8> = known().iter().map(|compressor| compressor.0.number()).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn the_documents_lz4_block_is_one() {
    let protocol = include_str!("../../../../PROTOCOL.md");
    let (_, block) = protocol.split_once("```golden job-compressed\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let bytes = block.lines().flat_map(|line| line.split('#').next().unwrap().split_whitespace());
    let bytes: Vec<u8> = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    // Between the frame's header, and the length and the number.
    let plain = decompress(&Compression::Lz4.shared(), &bytes[12..bytes.len() - 5], 310).unwrap();
    assert_eq!(plain[..302], *format!("\"{}\"", "a".repeat(300)).as_bytes());
}
