//! The live screen: asks, draws, and looks at the keyboard, in turn.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::runtime::Runtime;

use crate::exit::{self, Failure, Outcome};
use crate::watcher::screen;
use crate::watcher::session::Session;

/// Shows how the run stands until somebody has seen enough, or the run has ended.
pub(super) fn show(runtime: &Runtime, session: &mut Session, interval: Duration) -> Outcome {
    if !io::stdout().is_terminal() {
        return Err(Failure::usage("top wants a terminal; `distchan status` prints the same once"));
    }
    let mut terminal = ratatui::try_init().map_err(unusable)?;
    let outcome = loop {
        // The connection is at work while something is awaited: so what takes time is awaited.
        let status = match runtime.block_on(session.status()) {
            Ok(status) => status,
            Err(failure) => break Err(failure),
        };
        if let Err(error) = terminal.draw(|frame| screen::draw(frame, &status)) {
            break Err(unusable(error));
        }
        match runtime.block_on(wait(interval)) {
            Ok(true) => break Ok(exit::SUCCESS),
            Ok(false) => {}
            Err(error) => break Err(unusable(error)),
        }
    };
    ratatui::restore();
    outcome
}

/// Waits for the next time to draw: true once somebody has seen enough.
async fn wait(interval: Duration) -> io::Result<bool> {
    const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
    let until = Instant::now() + interval;
    while Instant::now() < until {
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if leaves(key) => return Ok(true),
                Event::Resize(..) => return Ok(false),
                _ => {}
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS.min(interval)).await;
    }
    Ok(false)
}

fn leaves(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unusable(error: io::Error) -> Failure {
    Failure::internal(format!("the terminal cannot be used: {error}"))
}
