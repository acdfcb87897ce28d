//! Connections whose handshake is not done: how many there may be, from one address and in all, and who gives way. It must never wait.
//!
//! Where there are too many, the oldest gives way to the newest, if it has had time to be served: whoever stalls loses its place to whoever
//! comes, and a crowd that says nothing keeps nobody out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use distchan_proto::limits;
use distchan_proto::time::Time;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::transport::Peer;

/// A handshake that has had so long, and is not done, gives way to another. An honest one over a bad line takes three round trips of 150 ms.
pub(super) const FAIR: Duration = Duration::from_millis(500);

/// Addresses with failures that are remembered.
const MAX_SUSPECTS: usize = 4096;

/// All handshakes of a server.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// In the order of coming.
    handshakes: BTreeMap<u64, Handshake>,
    next: u64,
    /// Handshakes by address.
    by_origin: BTreeMap<IpAddr, usize>,
    suspects: BTreeMap<IpAddr, Bucket>,
}

#[derive(Debug)]
struct Handshake {
    began: Time,
    origin: Option<IpAddr>,
    give_way: Arc<Notify>,
}

/// What an address may still do wrong: it fills by one a second.
#[derive(Debug)]
struct Bucket {
    left: u32,
    since: Time,
}

/// Why a connection has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Too many handshakes of this address, or failures: close it.
    Away,
    /// Too many in all, and all of them have just come: ask again then.
    Until(Time),
}

impl Crowd {
    /// A place for a connection that has just been accepted.
    pub(super) fn enter(self: &Arc<Self>, now: Time, peer: &Peer) -> Result<Seat, Turned> {
        let origin = origin(peer);
        let mut inside = self.0.lock();
        if let Some(origin) = origin {
            if inside.suspects.get_mut(&origin).is_some_and(|bucket| bucket.refill(now) == 0) {
                return Err(Turned::Away);
            }
            if inside.by_origin.get(&origin).is_some_and(|count| *count >= limits::MAX_HANDSHAKES_PER_ADDRESS)
            {
                let same = |handshake: &Handshake| handshake.origin == Some(origin);
                inside.oust(now, same).map_err(|_| Turned::Away)?;
            }
        }
        if inside.handshakes.len() >= limits::MAX_HANDSHAKES {
            inside.oust(now, |_| true).map_err(Turned::Until)?;
        }
        let number = inside.next;
        inside.next += 1;
        let give_way = Arc::new(Notify::new());
        let handshake = Handshake { began: now, origin, give_way: Arc::clone(&give_way) };
        inside.handshakes.insert(number, handshake);
        if let Some(origin) = origin {
            *inside.by_origin.entry(origin).or_default() += 1;
        }
        drop(inside);
        Ok(Seat { crowd: Arc::clone(self), number, give_way })
    }

    /// Somebody at this address has shown something wrong.
    pub(super) fn suspect(&self, now: Time, peer: &Peer) {
        let Some(origin) = origin(peer) else { return };
        let mut inside = self.0.lock();
        if inside.suspects.len() >= MAX_SUSPECTS && !inside.suspects.contains_key(&origin) {
            inside.suspects.retain(|_, bucket| bucket.refill(now) < limits::MAX_AUTH_FAILURES);
            // As many addresses that fail at once can do as they like, one by one: each is bounded by its handshakes.
            if inside.suspects.len() >= MAX_SUSPECTS {
                return;
            }
        }
        let full = Bucket { left: limits::MAX_AUTH_FAILURES, since: now };
        let bucket = inside.suspects.entry(origin).or_insert(full);
        bucket.refill(now);
        bucket.left = bucket.left.saturating_sub(1);
    }
}

impl Inside {
    /// Has the oldest of some give way; where that has just come, when it will have to.
    fn oust(&mut self, now: Time, of: impl Fn(&Handshake) -> bool) -> Result<(), Time> {
        let Some((&number, oldest)) = self.handshakes.iter().find(|(_, handshake)| of(handshake)) else {
            return Ok(());
        };
        let fair = oldest.began + FAIR;
        if fair > now {
            return Err(fair);
        }
        oldest.give_way.notify_one();
        self.remove(number);
        Ok(())
    }

    fn remove(&mut self, number: u64) {
        let Some(Handshake { origin: Some(origin), .. }) = self.handshakes.remove(&number) else { return };
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }
}

impl Bucket {
    fn refill(&mut self, now: Time) -> u32 {
        let seconds = (now - self.since).as_secs();
        self.since = self.since + Duration::from_secs(seconds);
        let more = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(limits::MAX_AUTH_FAILURES);
        self.left
    }
}

/// A handshake's place, until it is done: then this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    give_way: Arc<Notify>,
}

impl Seat {
    /// Waits until this one has to give way, which never comes once it is dropped.
    pub(super) fn given_way(&self) -> Arc<Notify> {
        Arc::clone(&self.give_way)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.0.lock().remove(self.number);
    }
}

/// What counts as one address: a machine has all of an IPv6 network of 64 bits. The workers of this machine come all at once, and whoever is on
/// it can do worse.
fn origin(peer: &Peer) -> Option<IpAddr> {
    let Peer::Tcp(address) = peer else { return None };
    let ip = match address.ip().to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(if ip.is_loopback() { ip } else { Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0) })
        }
        v4 @ IpAddr::V4(_) => v4,
    };
    (!ip.is_loopback()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer::Tcp((ip.parse::<IpAddr>().unwrap(), 50_000).into())
    }

    fn at(millis: u64) -> Time {
        Time::from_origin(Duration::from_millis(millis))
    }

    fn has_given_way(seat: &Seat) -> bool {
        let waiting = seat.given_way();
        let mut waiting = std::pin::pin!(waiting.notified());
        waiting.as_mut().enable()
    }

    #[test]
    fn one_address_has_32_handshakes_and_its_oldest_gives_way() {
        let crowd = Arc::new(Crowd::default());
        let mut seats: Vec<Seat> = (0..32).map(|_| crowd.enter(at(0), &peer("192.0.2.1")).unwrap()).collect();
        assert_eq!(crowd.enter(at(499), &peer("192.0.2.1")).unwrap_err(), Turned::Away);
        seats.push(crowd.enter(at(499), &peer("192.0.2.2")).unwrap());
        seats.push(crowd.enter(at(500), &peer("::ffff:192.0.2.1")).unwrap());
        assert!(has_given_way(&seats[0]) && !has_given_way(&seats[1]));
        drop(seats.drain(1..3));
        crowd.enter(at(500), &peer("192.0.2.1")).unwrap();
        drop(seats);
        assert!(crowd.0.lock().by_origin.is_empty() && crowd.0.lock().handshakes.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let crowd = Arc::new(Crowd::default());
        let _turns: Vec<Seat> =
            (0..32).map(|n| crowd.enter(at(0), &peer(&format!("2001:db8::{n:x}"))).unwrap()).collect();
        assert_eq!(crowd.enter(at(1), &peer("2001:db8::ffff:1")).unwrap_err(), Turned::Away);
        crowd.enter(at(1), &peer("2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn all_together_are_256_and_whoever_has_just_come_is_not_ousted() {
        let crowd = Arc::new(Crowd::default());
        let seats: Vec<Seat> = (0..256).map(|n| crowd.enter(at(n), &peer("127.0.0.1")).unwrap()).collect();
        assert_eq!(crowd.enter(at(256), &peer("127.0.0.1")).unwrap_err(), Turned::Until(at(500)));
        let _newest = crowd.enter(at(500), &peer("127.0.0.1")).unwrap();
        assert!(has_given_way(&seats[0]) && !has_given_way(&seats[1]));
        assert_eq!(crowd.enter(at(500), &peer("192.0.2.1")).unwrap_err(), Turned::Until(at(501)));
    }

    #[test]
    fn an_address_that_fails_too_often_is_closed_at_once_for_a_while() {
        let crowd = Arc::new(Crowd::default());
        for _ in 0..32 {
            drop(crowd.enter(at(0), &peer("192.0.2.1")).unwrap());
            crowd.suspect(at(0), &peer("192.0.2.1"));
        }
        assert_eq!(crowd.enter(at(999), &peer("192.0.2.1")).unwrap_err(), Turned::Away);
        crowd.enter(at(999), &peer("192.0.2.2")).unwrap();
        crowd.enter(at(1000), &peer("192.0.2.1")).unwrap();
        for n in 0..=u16::MAX {
            crowd.suspect(at(1000), &peer(&format!("10.0.{}.{}", n >> 8, n & 255)));
        }
        assert!(crowd.0.lock().suspects.len() <= MAX_SUSPECTS);
    }
}
