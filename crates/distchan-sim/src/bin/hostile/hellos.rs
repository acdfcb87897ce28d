//! What other protocols say first, and what port scanners do. These bytes are data: nothing here speaks any of them.

/// The beginnings of other conversations.
pub(super) const HELLOS: [&[u8]; 10] = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
    b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4294967295\r\n\r\n{\"id\":1",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"EHLO localhost\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"CONNECT {\"verbose\":false}\r\nPING\r\n",
    b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
    b"DISTCHAN\x01\0\x01\0",
    // Of TLS: the head of a record of 512 bytes that holds a `ClientHello`, of TLS 1.0 as all are at first.
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
];

/// A `ClientHello` that can be read: TLS 1.3 and 1.2, a few suites, and no protocol that this project speaks.
pub(super) fn client_hello(random: &[u8; 32]) -> Vec<u8> {
    let extensions = [
        // Versions, groups, signatures.
        [0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03].as_slice(),
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d],
        &[0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x08, 0x07],
        // One share of a key, for x25519: any 32 bytes are one.
        &[0x00, 0x33, 0x00, 0x26, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20],
        random,
        // The protocol `h2`.
        &[0x00, 0x10, 0x00, 0x05, 0x00, 0x03, 0x02, b'h', b'2'],
    ]
    .concat();
    let suites = [0x00, 0x06, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03];
    let body =
        [&[0x03, 0x03], random.as_slice(), &[0], &suites, &[1, 0], &two(extensions.len()), &extensions]
            .concat();
    let message = [&[1, 0], two(body.len()).as_slice(), &body].concat();
    [&[0x16, 0x03, 0x01], two(message.len()).as_slice(), &message].concat()
}

/// A record of TLS, of whatever kind.
pub(super) fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0x03, 0x03], two(body.len()).as_slice(), body].concat()
}

/// A length, as TLS writes it.
fn two(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}
