//! What a proxy does to what it carries, and who is to know when that changes. It touches no socket.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::dice::Dice;

/// One of the two directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToWorker,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::ToServer, Self::ToWorker];
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Nothing is read and nothing is written, and nothing is lost: all goes on once this is lifted.
    Stall,
    /// All is read, and thrown away; so is the end. A connection that lost bytes stays silent in this direction for ever.
    Blackhole,
    /// So many bytes in a second.
    Trickle(usize),
    /// Every piece comes so much later. The order stays.
    Delay(Duration),
}

/// How connections are ended from the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends are closed.
    #[default]
    Both,
    /// The server is not told: its end stays open, and silent.
    WorkersEnd,
    /// The worker is not told.
    ServersEnd,
}

/// All that can be set, at one point in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) to_server: Fault,
    pub(crate) to_worker: Fault,
    /// Nobody listens: who connects is refused by the system.
    pub(crate) refuses: bool,
    /// How many cuts there were, and what the last was. A connection is older or younger than a cut.
    pub(crate) cuts: u64,
    pub(crate) cut: Cut,
    /// Bytes that are yet to be flipped, one in each of the next pieces.
    flips: [u64; 2],
}

impl Rules {
    pub(crate) const fn fault(&self, way: Way) -> Fault {
        match way {
            Way::ToServer => self.to_server,
            Way::ToWorker => self.to_worker,
        }
    }
}

/// The rules, and the choices that a seed decides.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) rules: watch::Sender<Rules>,
    dice: Mutex<Dice>,
}

impl Control {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: watch::Sender::new(Rules::default()), dice: Mutex::new(Dice::new(seed)) }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.rules.send_modify(change);
    }

    /// One bit of one byte of the next piece will be another.
    pub(crate) fn order_flip(&self, way: Way) {
        self.change(|rules| rules.flips[way as usize] += 1);
    }

    /// Whether all flips that were ordered have been done.
    pub(crate) fn is_flipped(&self) -> bool {
        self.rules.borrow().flips == [0, 0]
    }

    /// Flips a bit of `piece`, where that was ordered.
    pub(crate) fn flip(&self, way: Way, piece: &mut [u8]) {
        let is_ordered = self.rules.send_if_modified(|rules| {
            let left = &mut rules.flips[way as usize];
            let is_ordered = *left > 0 && !piece.is_empty();
            *left -= u64::from(is_ordered);
            is_ordered
        });
        if is_ordered {
            let mut dice = self.dice.lock().expect("nothing panics under this lock");
            let (at, bit) = (dice.below(piece.len()), dice.below(8));
            piece[at] ^= 1 << bit;
        }
    }
}
