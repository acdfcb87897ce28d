//! A server that has no file descriptors left: it accepts again when there are some.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::place::place;
use crate::program::Program;

/// Fewer than a server has places for strangers.
const DESCRIPTORS: &str = "ulimit -n 256; exec \"$0\" \"$@\"";

#[test]
fn a_server_without_descriptors_serves_again_when_there_are_some() {
    let mut command = Command::new("sh");
    command.args(["-c", DESCRIPTORS]).arg(std::env::current_exe().unwrap());
    let server = Program::start_by(command, "server", &place(), "server", 1);
    let address = server.says("bound");
    // More than it can have; those that it cannot accept wait in the system.
    let crowd: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut last = crowd.last().unwrap();
    last.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(last.read(&mut [0]).is_err(), "it is not accepted, and not closed");
    // EMFILE: it has tried, and had none.
    while !server.says("warned cannot accept").contains("os error 24") {}
    drop(crowd);
    let _worker = Program::start("worker", &address, "worker", 1);
    server.says_within(Duration::from_secs(20), "all have answered");
}
