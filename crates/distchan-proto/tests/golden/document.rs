//! `PROTOCOL.md` as data: its golden blocks, and the rows of its tables. It must never know what a block means.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const TEXT: &str = include_str!("../../../../PROTOCOL.md");

/// The golden blocks, by name, and which of them were looked at.
#[derive(Debug)]
pub(crate) struct Document {
    blocks: BTreeMap<&'static str, Vec<u8>>,
    used: RefCell<BTreeSet<&'static str>>,
}

impl Document {
    /// Reads the blocks between "```golden NAME" and "```": two digits a byte, and a remark behind `#`.
    pub(crate) fn read() -> Self {
        let mut blocks = BTreeMap::new();
        let mut lines = TEXT.lines();
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("```golden ") else {
                continue;
            };
            let rows = lines.by_ref().take_while(|line| *line != "```");
            let digits = rows.flat_map(|row| row.split('#').next().unwrap_or_default().split_whitespace());
            let bytes = digits.map(|byte| match (byte.len(), u8::from_str_radix(byte, 16)) {
                (2, Ok(byte)) => byte,
                _ => panic!("block {name}: {byte:?} is no byte"),
            });
            let previous = blocks.insert(name, bytes.collect());
            assert_eq!(previous, None, "two blocks are called {name}");
        }
        Self { blocks, used: RefCell::default() }
    }

    /// The bytes of a block.
    pub(crate) fn block(&self, name: &str) -> &[u8] {
        let (name, bytes) =
            self.blocks.get_key_value(name).unwrap_or_else(|| panic!("no block is called {name}"));
        self.used.borrow_mut().insert(name);
        bytes
    }

    /// The names of all blocks, with their lengths.
    pub(crate) fn names(&self) -> Vec<(&'static str, usize)> {
        self.blocks.iter().map(|(name, bytes)| (*name, bytes.len())).collect()
    }

    /// Which blocks were looked at since the document was read.
    pub(crate) fn used(&self) -> BTreeSet<&'static str> {
        self.used.borrow().clone()
    }

    /// The same document with one bit of one block changed.
    pub(crate) fn with_flipped_bit(&self, name: &str, byte: usize) -> Self {
        let mut blocks = self.blocks.clone();
        let block = blocks.get_mut(name).unwrap_or_else(|| panic!("no block is called {name}"));
        block[byte] ^= 1 << (byte % 8);
        Self { blocks, used: RefCell::default() }
    }
}

/// The first two columns of every row of the table under `heading`, without backquotes.
pub(crate) fn table(heading: &str) -> Vec<(String, String)> {
    let section =
        TEXT.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let rows: Vec<&str> = section.filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(!rows.is_empty(), "no table under {heading:?}");
    let column = |row: &str, index| row.split('|').nth(index).unwrap_or_default().trim().replace('`', "");
    rows.into_iter().map(|row| (column(row, 1), column(row, 2))).collect()
}
