//! One session as it went: the running p, the onset, the harm, and who spoke when.
#![expect(clippy::cast_possible_truncation, reason = "a figure is rounded for a reader")]

use super::plot::{GRID, HARM, Ink, ONSET, QUIET, SERIES, STAGES, drawn, words};
use crate::Error;
use crate::result::{MarkKind, Timeline};
use maud::PreEscaped;
use models::Thresholds;
use plotters::prelude::*;

/// The lowest p that is drawn: what extrapolation ends at.
const DECADES: f64 = 6.0;

/// How high up a p is drawn, in decades below one.
fn height(p: f64) -> f64 {
    (-p.log10()).clamp(0.0, DECADES)
}

fn ink(kind: MarkKind) -> Ink {
    match kind {
        MarkKind::Onset => ONSET,
        MarkKind::Impact => HARM,
        MarkKind::T0 => STAGES[0],
        MarkKind::T1 => STAGES[1],
        MarkKind::T2 => STAGES[2],
    }
}

/// Draws it.
pub fn draw(timeline: &Timeline) -> Result<PreEscaped<String>, Error> {
    let length = timeline.length_ms.max(1.0) / 1000.0;
    drawn("The running score of the session, with what happened when", (960, 190), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(26)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..length, -0.9..DECADES)
            .map_err(words)?;
        let label = ("sans-serif", 12).into_font().color(&QUIET.rgb());
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(GRID.rgb().stroke_width(1))
            .label_style(label)
            .x_labels(8)
            .y_labels(4)
            .x_label_formatter(&|seconds| format!("{seconds:.1} s"))
            .y_label_formatter(&|decades| match decades.round() as i32 {
                0 => "p = 1".to_owned(),
                n if n > 0 => format!("1e-{n}"),
                _ => String::new(),
            })
            .draw()
            .map_err(words)?;
        let onset = timeline.marks.iter().find(|mark| mark.kind == MarkKind::Onset);
        if let Some(onset) = onset {
            let from = (onset.at_ms / 1000.0).min(length);
            let shade = Rectangle::new([(from, 0.0), (length, DECADES)], ONSET.rgb().mix(0.12).filled());
            chart.draw_series([shade]).map_err(words)?;
        }
        let thresholds = Thresholds::default();
        for (threshold, ink) in [(thresholds.alert, GRID), (thresholds.act, QUIET)] {
            let at = height(threshold);
            let line = DashedLineSeries::new([(0.0, at), (length, at)], 3, 4, ink.rgb().stroke_width(1));
            chart.draw_series(line).map_err(words)?;
        }
        let points = timeline.p.iter().map(|&(at_ms, p)| (at_ms / 1000.0, height(p)));
        chart.draw_series(LineSeries::new(points, SERIES[0].rgb().stroke_width(2))).map_err(words)?;
        for mark in &timeline.marks {
            let at = (mark.at_ms / 1000.0).min(length);
            let ink = ink(mark.kind).rgb();
            match mark.kind {
                MarkKind::Onset | MarkKind::Impact => {
                    let line = LineSeries::new([(at, -0.9), (at, DECADES)], ink.stroke_width(2));
                    chart.draw_series(line).map_err(words)?;
                }
                MarkKind::T0 | MarkKind::T1 | MarkKind::T2 => {
                    chart.draw_series([Circle::new((at, -0.5), 4, ink.filled())]).map_err(words)?;
                }
            }
        }
        Ok(())
    })
}
