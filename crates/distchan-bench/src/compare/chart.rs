//! Rows as a picture for the README: bars, one group a scenario, each as long as its figure is of the group's largest. It must be
//! readable on a light and on a dark page: nothing is painted behind, and text is of a grey that stands out from both.

use std::fmt::Write;

use super::figure::{Figure, short};
use super::row::Row;
use crate::scenarios::{Scenario, SystemName};

const WIDTH: f64 = 760.0;
/// Where bars begin: names stand before.
const LEFT: f64 = 100.0;
/// How long the longest is; its figure stands behind.
const LONGEST: f64 = 560.0;
const BAR: f64 = 14.0;
const STEP: f64 = 19.0;
const HEAD: f64 = 34.0;

const GREY: &str = "#7d8590";
const FAINT: &str = "#a8b0ba";
const OURS: &str = "#d9603b";
const THEIRS: &str = "#4f8fc0";

/// The whole picture. Systems that have no figure for a scenario are left out of its group.
pub(crate) fn draw(rows: &[Row]) -> String {
    let mut groups: Vec<(Scenario, Vec<&Row>)> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some((scenario, group)) if *scenario == row.scenario => group.push(row),
            _ => groups.push((row.scenario, vec![row])),
        }
    }
    let mut body = String::new();
    let mut top = 8.0;
    for (scenario, group) in groups {
        top = draw_group(&mut body, top, scenario, &group);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" viewBox=\"0 0 {WIDTH} {top}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{GREY}\" role=\"img\" \
         aria-label=\"distchan beside other systems\">\n{body}</svg>\n"
    )
}

/// Draws a group below `top`, and says where it ends.
fn draw_group(body: &mut String, top: f64, scenario: Scenario, group: &[&Row]) -> f64 {
    let figure = Figure::of(scenario);
    let mut bars: Vec<_> =
        group.iter().filter_map(|row| Some((row.system, figure.read(row)?.median))).collect();
    let Some(largest) = bars.iter().map(|bar| bar.1).max_by(f64::total_cmp) else {
        return top;
    };
    bars.sort_by(|a, b| if figure.is_more_better() { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) });
    let better = if figure.is_more_better() { "longer is better" } else { "shorter is better" };
    let title = escape(&format!("{scenario}: {}", scenario.title()));
    let unit = figure.name(scenario);
    let _ = writeln!(
        body,
        "<text x=\"0\" y=\"{:.1}\" font-size=\"13\"><tspan font-weight=\"600\">{title}</tspan> ({unit}, {better})</text>",
        top + 16.0
    );
    let mut y = top + HEAD - 8.0;
    for (system, value) in bars {
        draw_bar(body, y, system, value, largest);
        y += STEP;
    }
    y + 12.0
}

fn draw_bar(body: &mut String, y: f64, system: SystemName, value: f64, largest: f64) {
    let length = (LONGEST * value / largest).max(1.0);
    let (colour, weight) = match system {
        SystemName::Distchan => (OURS, "600"),
        SystemName::Raw | SystemName::RawTokio => (FAINT, "400"),
        _ => (THEIRS, "400"),
    };
    let baseline = y + BAR - 3.0;
    let _ = writeln!(
        body,
        "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{system}</text>\
         <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{baseline:.1}\" font-weight=\"{weight}\">{}</text>",
        LEFT - 8.0,
        LEFT + length + 6.0,
        short(value)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::{Row, Scenario, SystemName, draw};

    /// Every element is closed, in order.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
            assert!(!text.contains('&') || text.contains(';'), "{text}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap_or_default());
            }
        }
        assert!(open.is_empty(), "{open:?} are open");
    }

    #[test]
    fn a_chart_is_well_formed_and_names_what_has_figures() {
        let rows = [
            row(Scenario::W2, SystemName::Raw, &[4e6]),
            row(Scenario::W2, SystemName::Distchan, &[2e6]),
            Row::new(Scenario::W2, SystemName::Tarpc),
            row(Scenario::W4, SystemName::Distchan, &[30.0]),
        ];
        let svg = draw(&rows);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("<rect ").count(), 3);
        assert!(svg.contains("width=\"280.0\"") && !svg.contains("tarpc"), "{svg}");
    }

    #[test]
    fn a_chart_of_nothing_is_well_formed() {
        assert_well_formed(&draw(&[]));
    }
}
