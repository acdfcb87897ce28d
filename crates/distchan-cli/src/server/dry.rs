//! `--dry-run`: prints the commands, and runs none.

use std::io;

use crate::command::Composer;
use crate::exit::{self, Failure, Outcome};
use crate::input::Tasks;
use crate::output::Sink;
use crate::server::tag::Tag;
use crate::settings::Printing;
use crate::wire::Command;

/// What is gathered before it is written.
const WRITE: usize = 64 * 1024;

pub(super) fn run(tasks: Tasks, composer: &Composer, command: &Command, printing: &Printing) -> Outcome {
    let cannot_write = |error: &io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(exit::SUCCESS),
        _ => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
    };
    let mut stdout = Sink::stdout().map_err(|error| Failure::internal(error.to_string()))?;
    let tag = Tag::new(printing.tag.clone(), command);
    let mut out = Vec::with_capacity(WRITE);
    for (seq, task) in (1..).zip(tasks) {
        let task = task.map_err(|error| Failure::internal(error.to_string()))?;
        let mut text = composer.text(seq, &task.args, Some(1));
        text.push(b'\n');
        tag.of(seq, &task.args, 1).put(&text, &mut true, &mut out);
        if out.len() >= WRITE {
            if let Err(error) = stdout.write(&out) {
                return cannot_write(&error);
            }
            out.clear();
        }
    }
    match stdout.write(&out) {
        Ok(()) => Ok(exit::SUCCESS),
        Err(error) => cannot_write(&error),
    }
}
