//! Connections as two bounded pipes of bytes. A pipe keeps order and loses nothing until it is cut; it never looks at its bytes.

use std::collections::VecDeque;

/// One direction of a connection.
#[derive(Debug)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    is_ended: bool,
    /// Nobody will read any more.
    is_abandoned: bool,
}

impl Pipe {
    const fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, is_ended: false, is_abandoned: false }
    }

    /// Whether a writer need not wait.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.bytes.len() < self.capacity
    }

    /// Takes everything that is written at once, as a socket with a large buffer; what a reader closed behind is dropped.
    pub fn write(&mut self, bytes: &[u8]) {
        if !self.is_ended && !self.is_abandoned {
            self.bytes.extend(bytes);
        }
    }

    /// Up to `most` bytes in the order of writing.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }

    /// Nothing more will be written.
    pub const fn end(&mut self) {
        self.is_ended = true;
    }

    /// The reader is gone: what was not read is lost, and what is still written is.
    pub fn abandon(&mut self) {
        self.bytes.clear();
        self.is_abandoned = true;
    }

    /// Whether there is something to read, or the end to notice.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.is_ended
    }

    /// Whether everything up to the end was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_ended && self.bytes.is_empty()
    }
}

/// A connection between the server and one worker.
#[derive(Debug)]
pub struct Link {
    /// From the worker.
    pub up: Pipe,
    /// To the worker.
    pub down: Pipe,
}

impl Link {
    /// A connection that has just been made.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { up: Pipe::new(capacity), down: Pipe::new(capacity) }
    }

    /// Cuts both directions where they are.
    pub fn cut(&mut self) {
        for pipe in [&mut self.up, &mut self.down] {
            pipe.abandon();
            pipe.end();
        }
    }
}
