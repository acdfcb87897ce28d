//! TLS against none: both sides say so, at once and in words.

use distchan::{Code, ConnectError, SecurityError, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{run, server};
use crate::security::{distrust, served};

#[test]
fn a_worker_without_a_ticket_is_told_that_it_needs_one() {
    run(async {
        let (server, jobs) = served().await;
        let error = Worker::connect(server.local_addr()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { code: Code::Security, .. }), "{error:?}");
        assert!(error.to_string().contains("over TLS only, with the ticket that it gives"), "{error}");
        let refusal = server.next_refusal().await;
        assert_eq!(refusal.reason, "a worker that does not speak TLS: it was started without a ticket");
        assert_eq!(jobs.call(1).await.unwrap(), 2);
    });
}

#[test]
fn a_ticket_is_not_for_a_server_without_encryption() {
    run(async {
        let plain = server().await;
        let (other, _jobs) = served().await;
        let ticket = other.ticket().unwrap().with_address(plain.local_addr()).unwrap();
        let error = Worker::connect(ticket).await.unwrap_err();
        assert!(error.to_string().contains("a distchan server without encryption"), "{error}");
        assert!(matches!(distrust(Err(error)), SecurityError::Unencrypted(_)));
        let refusal = plain.next_refusal().await;
        assert!(
            refusal.reason.starts_with("the peer speaks TLS, and this side does not"),
            "{}",
            refusal.reason
        );
    });
}

#[test]
fn a_ticket_is_not_for_a_web_server() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad\x1b[31m\r\n\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let ticket = served().await.0.ticket().unwrap().with_address(address).unwrap();
        let error = Worker::connect(ticket).await.unwrap_err().to_string();
        assert!(
            error.ends_with(
                "it does not speak TLS: it began with \"HTTP/1.1 400 Bad\\u{1b}[31m\\r\\n\\r\\n\""
            ),
            "{error}"
        );
    });
}

#[test]
fn strangers_at_a_guarded_door_disturb_nobody() {
    run(async {
        let (server, jobs) = served().await;
        for (bytes, reason) in [
            (
                b"GET / HTTP/1.1\r\n\r\n".as_slice(),
                "this is not a TLS peer: it began with \"GET / HTTP/1.1\\r\\n\\r\\n\"",
            ),
            (b"\x1b]0;title\x07", "this is not a TLS peer: it began with \"\\u{1b}]0;title\\u{7}\""),
            (&[22, 3, 1, 0, 4, 1, 2, 3, 4], "the TLS handshake failed"),
            (&[22; 40_000], "the TLS handshake failed"),
        ] {
            let mut stranger = TcpStream::connect(server.local_addr().to_string()).await.unwrap();
            // The server may hang up first.
            let _ = stranger.write_all(bytes).await;
            let refusal = server.next_refusal().await;
            assert!(refusal.reason.starts_with(reason), "{}", refusal.reason);
            assert_eq!(jobs.call(1).await.unwrap(), 2);
        }
    });
}
