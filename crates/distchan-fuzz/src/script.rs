//! Choices, taken from the front of a target's bytes. Where there are no more, each choice is its first.

/// Numbers at which code behaves differently.
const CORNERS: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xfff,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x10_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// What is left of the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// Less than `bound`, which is at least 1 and at most 256.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Often small, sometimes at a corner, seldom anything.
    pub(crate) fn number(&mut self) -> u64 {
        let byte = self.byte();
        match byte {
            0..0xc0 => u64::from(byte),
            0xc0..0xd0 => u64::from(byte & 0xf) << 8 | u64::from(self.byte()),
            0xd0..0xe0 => {
                let mut bytes = [0; 8];
                bytes.iter_mut().take(usize::from(byte & 7) + 1).for_each(|to| *to = self.byte());
                u64::from_le_bytes(bytes)
            }
            0xe0..0xf0 => CORNERS[usize::from(byte & 0xf)],
            _ => CORNERS[usize::from(byte & 0xf)].wrapping_sub(1),
        }
    }

    /// As many bytes as it says first, at most 255 and at most those that are there.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}
