//! What whoever watches the wire sees of frames: how long each is, and whether it belongs to a connection or to a session. It follows
//! `PROTOCOL.md`, and shares nothing with the machines.

/// Which whole frames there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whole {
    None,
    OfConnection,
    OfSession,
}

/// Which whole frames these bytes hold, which begin where a frame does.
pub(super) fn whole(bytes: &[u8]) -> Whole {
    let mut rest = bytes;
    let mut found = Whole::None;
    while let Some((head, _)) = rest.split_first_chunk::<12>() {
        let [l0, l1, l2, l3, _, _, _, _, kind, ..] = *head;
        let Some(behind) = rest.get(head.len() + u32::from_le_bytes([l0, l1, l2, l3]) as usize..) else {
            break;
        };
        found = found.max(if kind < 0x10 { Whole::OfConnection } else { Whole::OfSession });
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: u8) -> Vec<u8> {
        [&[body, 0, 0, 0, 1, 2, 3, 4, kind, 0, 0, 0][..], &vec![0xff; body.into()]].concat()
    }

    #[test]
    fn only_whole_frames_count() {
        assert_eq!(whole(&[]), Whole::None);
        assert_eq!(whole(b"the twelve bytes of a preamble, say"), Whole::None);
        assert_eq!(whole(&[frame(0x04, 8), frame(0x05, 16)].concat()), Whole::OfConnection);
        let all = [frame(0x20, 100), frame(0x04, 8), frame(0x20, 100)].concat();
        assert_eq!(whole(&all), Whole::OfSession);
        assert_eq!(whole(&all[112..all.len() - 1]), Whole::OfConnection);
        assert_eq!(whole(&all[..111]), Whole::None);
    }
}
