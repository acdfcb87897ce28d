//! A ticket's text: `distchan://`, the address, `/#`, and the rest in base64. Errors never show what was given.

use std::fmt;
use std::str::FromStr;

use distchan_proto::proof::{KeyHash, Secret};
use zeroize::Zeroizing;

use crate::security::base64;
use crate::security::ticket::{Ticket, TicketError};
use crate::transport::Address;

const SCHEME: &str = "distchan:";

/// The form of what stands behind the `#`: this byte, the hash, the secret, and two bytes that find slips of the pen.
const VERSION: u8 = 1;
const LENGTH: usize = 1 + KeyHash::LENGTH + Secret::LENGTH + 2;

impl Ticket {
    /// Whether a text is meant to be one.
    pub(in crate::security) fn is_meant(text: &str) -> bool {
        text.trim_start().get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME))
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(VERSION);
        bytes.extend(self.key.0);
        bytes.extend(self.secret.expose());
        let check = check(&bytes);
        bytes.extend(check);
        write!(f, "{SCHEME}//{}/#{}", self.address, *Zeroizing::new(base64::encode(&bytes)))
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if !Self::is_meant(text) {
            return Err(TicketError::Malformed("it does not begin with distchan://"));
        }
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let rest =
            rest.strip_prefix("//").ok_or(TicketError::Malformed("it does not begin with distchan://"))?;
        let (address, secret) = rest
            .split_once("/#")
            .ok_or(TicketError::Malformed("it ends before its secret, which stands behind /#"))?;
        let bytes = Zeroizing::new(base64::decode(secret).ok_or(TicketError::Malformed(
            "behind its # stands something that no ticket has: was all of the line copied, and nothing else?",
        ))?);
        let damaged =
            TicketError::Malformed("a part of it is missing, or was changed: was all of the line copied?");
        let (body, sum) = match bytes.split_last_chunk::<2>() {
            Some((body, sum)) if bytes.len() == LENGTH => (body, sum),
            _ => return Err(damaged),
        };
        if *sum != check(body) {
            return Err(damaged);
        }
        let fields = body.split_first().and_then(|(version, rest)| {
            let (key, secret) = rest.split_first_chunk()?;
            Some((*version, KeyHash(*key), Secret::new(secret.try_into().ok()?)))
        });
        let Some((VERSION, key, secret)) = fields else {
            return Err(TicketError::Malformed("it is a later version's"));
        };
        let address = address.parse().map_err(|_| TicketError::Malformed("its address cannot be read"))?;
        let Address::Tcp { .. } = address else {
            return Err(TicketError::Malformed("its address is not a TCP address"));
        };
        Ok(Self { address, key, secret })
    }
}

/// Finds slips of the pen, and says nothing that the ticket does not.
fn check(body: &[u8]) -> [u8; 2] {
    let [first, second, ..] = KeyHash::of(body).0;
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::ticket::tests::ticket;

    #[test]
    fn its_text_reads_the_same_and_its_debug_has_no_secret() {
        for address in ["127.0.0.1:5678", "[::1]:1", "build-7.example.org:65535", "tcp:distchan:1"] {
            let ticket = ticket(address);
            let text = ticket.to_string();
            assert!(text.starts_with(&format!("distchan://{address}/#")), "{text}");
            assert_eq!(text.split_once('#').unwrap().1.len(), 68);
            assert_eq!(format!("  {text}\n").parse::<Ticket>().unwrap(), ticket);
            let shown = format!("{ticket:?}");
            assert!(shown.contains(address) && shown.contains(&ticket.id()), "{shown}");
            assert!(!shown.contains("hush") && !shown.contains(text.split_once('#').unwrap().1), "{shown}");
        }
    }

    #[test]
    fn the_one_in_the_protocol_is_read() {
        let document = include_str!("../../../../../PROTOCOL.md");
        let line = document.lines().find(|line| line.starts_with("distchan://")).unwrap();
        let ticket: Ticket = line.parse().unwrap();
        assert_eq!(ticket.to_string(), line);
        assert_eq!(ticket.key.0, std::array::from_fn(|index| 0xc0 + u8::try_from(index).unwrap()));
        assert_eq!(*ticket.secret.expose(), std::array::from_fn(|index| 0x10 + u8::try_from(index).unwrap()));
    }

    #[test]
    fn no_character_of_it_can_change_unnoticed() {
        let text = ticket("host:80").to_string();
        let begin = text.find('#').unwrap() + 1;
        for at in begin..text.len() {
            for other in ["A", "z", "-", "=", " ", "ä"] {
                if &text[at..=at] != other {
                    let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                    let error = changed.parse::<Ticket>().unwrap_err().to_string();
                    assert!(error.starts_with("this is not a ticket"), "{error}");
                    assert!(!error.contains(&text[begin..begin + 10]), "{error}");
                }
            }
        }
        for short in begin..text.len() {
            text[..short].parse::<Ticket>().unwrap_err();
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        let good = ticket("host:80").to_string();
        let secret = good.split_once('#').unwrap().1;
        for (text, why) in [
            ("host:80".to_owned(), "does not begin with distchan://"),
            ("distchan:host:80".to_owned(), "does not begin with distchan://"),
            ("distchan://host:80".to_owned(), "ends before its secret"),
            ("distchan://host:80/#".to_owned(), "missing"),
            (format!("distchan://host:80/#{secret} and more"), "no ticket has"),
            (format!("distchan://host/#{secret}"), "address cannot be read"),
            (format!("distchan://memory:x/#{secret}"), "not a TCP address"),
        ] {
            let error = text.parse::<Ticket>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains(secret), "{error}");
        }
    }
}
