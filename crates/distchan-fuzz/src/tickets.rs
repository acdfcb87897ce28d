//! Text that is pasted, or stands in a file: tickets, addresses, and the book of a server's tickets. What is read is printed as it is read again,
//! and no error shows what may be a secret.

use distchan::security::IntoTarget;
use distchan::transport::Address;
use distchan::{Ticket, fuzzing};

use crate::script::Script;

/// A right one, whose parts are put into others.
const RIGHT: &str =
    "distchan://10.0.0.1:5678/#AcDBwsPExcbHyMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7fEBESExQVFhcYGRobHB0eHzXk";

/// The first byte says what the text is.
pub fn tickets(data: &[u8]) {
    let mut script = Script::new(data);
    let how = script.below(6);
    let Ok(text) = std::str::from_utf8(script.rest()) else { return };
    let secret = RIGHT.split_once('#').map_or("", |(_, secret)| secret);
    match how {
        0 => ticket(text),
        1 => ticket(&format!("distchan://{text}/#{secret}")),
        2 => ticket(&format!("distchan://host:1/#{text}")),
        3 => address(text),
        4 => fuzzing::book(text),
        _ => fuzzing::base64(text),
    }
}

fn ticket(text: &str) {
    // Whatever a worker is given: an address, or a ticket.
    let target = text.into_target();
    match text.parse::<Ticket>() {
        Ok(ticket) => {
            assert!(target.is_ok(), "{text} is a ticket, and no target");
            let printed = ticket.to_string();
            assert_eq!(
                printed.parse::<Ticket>().expect("it was printed"),
                ticket,
                "{text} was printed as {printed}"
            );
            let (_, secret) = printed.split_once("/#").expect("a ticket has a secret");
            let shown = format!("{ticket:?} {}", ticket.id());
            let is_elsewhere = ticket.address().to_string().contains(secret);
            assert!(is_elsewhere || !shown.contains(secret), "{shown} shows the secret");
            assert_eq!(Ticket::from_reader(printed.as_bytes()).expect("it was printed"), ticket);
            address(&ticket.address().to_string());
        }
        Err(error) => {
            let said = format!("{error} {error:?} {:?}", target.err());
            let (head, secret) = text.split_once("/#").unwrap_or_default();
            let may_be_secret = secret.len() >= 20 && !head.contains(secret);
            assert!(!may_be_secret || !said.contains(secret), "{said} shows what may be a secret");
        }
    }
}

fn address(text: &str) {
    if let Ok(address) = text.parse::<Address>() {
        let printed = address.to_string();
        assert_eq!(printed.parse().as_ref(), Ok(&address), "{text:?} was printed as {printed:?}");
    }
}
