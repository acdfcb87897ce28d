//! Draws how a run stands on a screen of any size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Gauge, Paragraph, Row, Table};

use crate::report::{RunningJob, Status, WorkerStatus};
use crate::watcher::text::{duration, head, name, one_line};

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, status: &Status) {
    let workers = u16::try_from(status.workers.len()).unwrap_or(u16::MAX).saturating_add(3);
    let workers = workers.min(frame.area().height / 3);
    let parts = [
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Length(workers),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [top, bar, middle, rest, foot] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Paragraph::new(head(status).into_iter().map(Line::from).collect::<Vec<_>>()), top);
    frame.render_widget(progress(status), bar);
    draw_workers(frame, middle, &status.workers);
    draw_running(frame, rest, &status.running);
    frame.render_widget(Paragraph::new("q leaves; the run goes on"), foot);
}

fn progress(status: &Status) -> Gauge<'static> {
    let done = status.jobs.succeeded + status.jobs.failed;
    // In whole thousandths: a gauge has no more cells.
    let thousandths = done.saturating_mul(1000).checked_div(status.jobs.read).unwrap_or(0).min(1000);
    let ratio = f64::from(u32::try_from(thousandths).unwrap_or(1000)) / 1000.0;
    let so_far = if status.jobs.is_total { "" } else { " of what was read so far" };
    Gauge::default()
        .ratio(ratio)
        .label(format!("{:.1} %{so_far}", ratio * 100.0))
        .gauge_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn draw_workers(frame: &mut Frame<'_>, area: Rect, workers: &[WorkerStatus]) {
    let rows = workers.iter().map(|worker| {
        let WorkerStatus { host, pid, peer, slots, in_flight, completed, is_connected } = worker;
        let place = if *is_connected { one_line(peer) } else { "lost its connection".to_owned() };
        Row::new([
            name(host),
            pid.to_string(),
            slots.to_string(),
            in_flight.to_string(),
            completed.to_string(),
            place,
        ])
    });
    let widths = [
        Constraint::Length(20),
        Constraint::Length(8),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Min(0),
    ];
    let head = header(["worker", "pid", "slots", "in flight", "done", "from"]);
    frame.render_widget(Table::new(rows, widths).header(head).block(titled(" workers ")), area);
}

fn draw_running(frame: &mut Frame<'_>, area: Rect, running: &[RunningJob]) {
    let rows = running.iter().map(|running| {
        let RunningJob { job, host, slot, runtime_s, run, command } = running;
        Row::new([
            job.to_string(),
            name(host),
            slot.to_string(),
            duration(*runtime_s),
            run.to_string(),
            one_line(command),
        ])
    });
    let widths = [
        Constraint::Length(9),
        Constraint::Length(16),
        Constraint::Length(4),
        Constraint::Length(9),
        Constraint::Length(3),
        Constraint::Min(0),
    ];
    let head = header(["job", "worker", "slot", "for", "run", "command"]);
    frame.render_widget(Table::new(rows, widths).header(head).block(titled(" running ")), area);
}

fn header<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).style(Style::new().add_modifier(Modifier::BOLD))
}

fn titled(title: &'static str) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(title)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::report::{Bottleneck, Jobs, SCHEMA};

    fn status() -> Status {
        let jobs = Jobs {
            read: 200,
            is_total: true,
            queued: 96,
            running: 4,
            succeeded: 98,
            failed: 2,
            ..Jobs::default()
        };
        let worker = WorkerStatus {
            host: "left".to_owned(),
            pid: 4711,
            peer: "192.0.2.7:5000".to_owned(),
            slots: 4,
            in_flight: 6,
            completed: 100,
            is_connected: true,
        };
        let running = RunningJob {
            job: 101,
            host: "left".to_owned(),
            slot: 3,
            runtime_s: 12.34,
            run: 1,
            command: "gzip\n-9 'a b'".to_owned(),
        };
        Status {
            schema: SCHEMA,
            elapsed_s: 50.0,
            jobs,
            rate_per_s: 2.0,
            eta_s: Some(50.0),
            bottleneck: Bottleneck::Workers,
            workers: vec![worker],
            running: vec![running],
        }
    }

    fn drawn(width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen in memory");
        terminal.draw(|frame| draw(frame, &status())).expect("it is drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn all_that_matters_is_on_the_screen() {
        let screen = drawn(90, 24);
        let lines = [
            "100 of 200 jobs done: 98 succeeded, 2 failed",
            "4 running, 96 queued; 2.0 jobs/s; for 50.0 s, 50.0 s left",
            "waiting for workers: every slot is taken",
            "50.0 %",
            "left                 4711     4     6         100       192.0.2.7:5000",
            "101       left             3    12.3 s    1   gzip -9 'a b'",
            "q leaves; the run goes on",
        ];
        for line in lines {
            assert!(screen.contains(line), "no {line:?} in\n{screen}");
        }
    }

    #[test]
    fn no_screen_is_too_small() {
        for (width, height) in [(1, 1), (10, 3), (80, 6), (3, 40)] {
            drawn(width, height);
        }
    }
}
