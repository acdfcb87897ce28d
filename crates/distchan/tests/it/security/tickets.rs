//! Tickets: who has one is let in, and nobody else; a refusal is final, clear, and disturbs nobody.

use std::time::{Duration, Instant};

use distchan::{Code, ConnectError, Security, SecurityError, Server, Ticket, TicketError, Worker};

use crate::helpers::{run, server, until};
use crate::place::place;
use crate::security::{distrust, served, work};

#[test]
fn one_pasted_line_connects_encrypted() {
    run(async {
        let (server, jobs) = served().await;
        let line = server.ticket().unwrap().to_string();
        assert!(line.starts_with(&format!("distchan://{}/", server.local_addr())), "{line}");
        assert_eq!(line, server.ticket().unwrap().to_string(), "it is the same each time");
        work(&Worker::connect(format!("  {line}\n")).await.unwrap());
        server.wait_for_workers(2).await;
        for number in 1..200 {
            assert_eq!(jobs.call(number).await.unwrap(), number + 1);
        }
    });
}

#[test]
fn large_values_go_both_ways() {
    run(async {
        let server = Server::builder().secure().bind(place()).await.unwrap();
        let (jobs, mut results) = server.channel::<Vec<u8>, Vec<u8>>("large").open().unwrap();
        let worker = Worker::connect(server.ticket().unwrap()).await.unwrap();
        tokio::spawn(async move {
            let (mut jobs, results) = worker.channel::<Vec<u8>, Vec<u8>>("large").await.unwrap();
            while let Some(mut value) = jobs.recv().await.unwrap() {
                value.reverse();
                results.send(value).await.unwrap();
            }
        });
        let values: Vec<Vec<u8>> =
            (0..12u8).map(|n| (0..300_000u32).map(|i| (i % 251) as u8 ^ n).collect()).collect();
        let sent = values.clone();
        tokio::spawn(async move {
            for value in sent {
                jobs.send(value).await.unwrap();
            }
        });
        for mut value in values {
            value.reverse();
            assert!(results.recv().await.unwrap().unwrap() == value);
        }
    });
}

#[test]
fn a_wrong_secret_is_refused_at_once_and_others_are_served() {
    run(async {
        let (server, jobs) = served().await;
        let ticket = server.ticket().unwrap();
        // Another server's secret with this server's key: what somebody has who knows all but the secret.
        let other = Server::builder().secure().bind(place()).await.unwrap();
        let forged = with_secret_of(&ticket, &other.ticket().unwrap());
        let began = Instant::now();
        let error = Worker::builder().reconnect(Duration::from_secs(60)).connect(forged).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(8), "no second try");
        assert_eq!(
            error.to_string(),
            format!(
                "{} and this worker do not trust each other: it does not know this ticket",
                ticket.address()
            )
        );
        assert_eq!(distrust(Err(error)), SecurityError::UnknownTicket);
        assert_eq!(server.next_refusal().await.reason, "the server does not know this ticket");
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

/// A ticket with the address and the key of one and the secret of another.
fn with_secret_of(ticket: &Ticket, other: &Ticket) -> Ticket {
    use sha2::{Digest, Sha256};
    let (text, other) = (ticket.to_string(), other.to_string());
    let (head, own) = text.split_once('#').unwrap();
    let (mut bytes, other) = (decode(own), decode(other.split_once('#').unwrap().1));
    bytes[33..49].copy_from_slice(&other[33..49]);
    let sum = Sha256::digest(&bytes[..49]);
    bytes[49..].copy_from_slice(&sum[..2]);
    format!("{head}#{}", encode(&bytes)).parse().unwrap()
}

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn decode(text: &str) -> Vec<u8> {
    let value = |digit: u8| (0..64u32).find(|value| DIGITS[*value as usize] == digit).unwrap();
    let group = |four: &[u8]| four.iter().fold(0, |bits, digit| bits << 6 | value(*digit)).to_be_bytes();
    text.as_bytes().chunks(4).flat_map(|four| group(four)[1..].to_vec()).collect()
}

fn encode(bytes: &[u8]) -> String {
    let group = |three: &[u8]| three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
    let digits = |bits: u32| [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift & 63) as usize]));
    bytes.chunks(3).flat_map(|three| digits(group(three))).collect()
}

#[test]
fn an_expired_and_a_revoked_ticket_are_told_so() {
    run(async {
        let (server, jobs) = served().await;
        let expired = server.new_ticket().expires_in(Duration::ZERO).issue().unwrap();
        let error = Worker::connect(expired).await.unwrap_err();
        assert!(error.to_string().ends_with("this ticket has expired"), "{error}");
        assert_eq!(distrust(Err(error)), SecurityError::Expired);
        assert_eq!(server.next_refusal().await.reason, "this ticket has expired");

        let revoked = server.new_ticket().expires_in(Duration::from_secs(3600)).issue().unwrap();
        work(&Worker::connect(&revoked).await.unwrap());
        assert!(server.revoke(&revoked).unwrap());
        let error = Worker::connect(&revoked).await.unwrap_err();
        assert!(error.to_string().ends_with("this ticket was revoked"), "{error}");
        assert_eq!(distrust(Err(error)), SecurityError::Revoked);
        assert_eq!(server.next_refusal().await.reason, "this ticket was revoked");
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn who_came_with_a_ticket_that_is_revoked_is_turned_out_and_stays_out() {
    run(async {
        let (server, jobs) = served().await;
        let ticket = server.new_ticket().issue().unwrap();
        let worker = Worker::connect(&ticket).await.unwrap();
        work(&worker);
        server.wait_for_workers(2).await;
        server.revoke(&ticket).unwrap();
        let (code, reason) = worker.closed().await;
        assert_eq!(code, Code::Security, "{reason}");
        assert!(reason.ends_with("this ticket was revoked"), "{reason}");
        until(|| server.workers().len() == 1).await;
        assert_eq!(jobs.call(1).await.unwrap(), 2, "the other one is not disturbed");
    });
}

#[test]
fn another_servers_key_is_refused_before_anything_is_sent() {
    run(async {
        let (server, jobs) = served().await;
        let other = Server::builder().secure().bind(place()).await.unwrap();
        let ticket = other.ticket().unwrap().with_address(server.local_addr()).unwrap();
        let error = Worker::connect(ticket).await.unwrap_err();
        assert!(error.to_string().contains("its key is not the one in the ticket"), "{error}");
        assert_eq!(distrust(Err(error)), SecurityError::WrongKey);
        let refusal = server.next_refusal().await;
        assert!(refusal.reason.starts_with("the TLS handshake failed"), "{}", refusal.reason);
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn a_kept_identity_outlives_the_server_and_its_workers_come_back() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("identity");
        let security = Security::tickets_kept_in(&file);
        let first = Server::builder().security(security.clone()).bind(place()).await.unwrap();
        let (ticket, address) = (first.ticket().unwrap(), first.local_addr().clone());
        let gone = first.new_ticket().issue().unwrap();
        first.revoke(&gone).unwrap();
        first.shutdown().await;
        drop(first);
        let second = Server::builder().security(security).bind(&address).await.unwrap();
        assert_eq!(second.ticket().unwrap(), ticket);
        let (jobs, _results) = second.channel::<u32, u32>("work").open().unwrap();
        work(&Worker::connect(&ticket).await.unwrap());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
        assert_eq!(distrust(Worker::connect(&gone).await), SecurityError::Revoked, "also after a restart");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        }
    });
}

#[test]
fn what_is_no_ticket_is_not_shown() {
    run(async {
        let line = served().await.0.ticket().unwrap().to_string();
        let secret = line.split_once('#').unwrap().1;
        for text in [line[..line.len() - 1].to_owned(), format!("{line}x")] {
            let error = Worker::connect(&text).await.unwrap_err();
            assert!(matches!(error, ConnectError::Ticket(TicketError::Malformed(_))), "{error:?}");
            assert!(!format!("{error:?} {error}").contains(&secret[..20]), "{error}");
        }
        let error = Server::bind(&line).await.unwrap_err();
        assert!(error.to_string().contains("it is a ticket"), "{error}");
        assert!(!format!("{error:?} {error}").contains(&secret[..20]), "{error}");
    });
}

#[test]
fn a_server_without_tickets_says_how_to_have_them() {
    run(async {
        let server = server().await;
        let error = server.ticket().unwrap_err();
        assert!(error.to_string().contains("Server::builder().secure()"), "{error}");
        let error = Server::builder().secure().bind("memory:secure").await.unwrap_err();
        assert!(error.to_string().contains("not a TCP address"), "{error}");
    });
}

#[test]
fn every_interface_can_be_bound_and_the_ticket_says_which_one_to_use() {
    run(async {
        let server = Server::builder().secure().bind("0.0.0.0:0").await.unwrap();
        let ticket = server.ticket().unwrap();
        assert!(!ticket.to_string().contains("0.0.0.0:"), "{:?}", ticket);
        let (jobs, _results) = server.channel::<u32, u32>("work").open().unwrap();
        work(&Worker::connect(ticket).await.unwrap());
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}
