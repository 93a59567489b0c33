//! Plots as SVG inside the page. Colours are the page's own, so that they follow light and dark.

use crate::Error;
use crate::metrics::delay::Step;
use crate::metrics::roc::{PrPoint, RocPoint};
use crate::result::Learned;
use maud::PreEscaped;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::RGBColor as Rgb;

/// A colour of the page: what the backend writes, and the variable that is put in its place.
#[derive(Clone, Copy, Debug)]
pub struct Ink(u8, &'static str);

/// Text and axes.
pub const INK: Ink = Ink(1, "ink");
/// Labels.
pub const QUIET: Ink = Ink(2, "quiet");
/// Grid.
pub const GRID: Ink = Ink(3, "line");
/// The first series, and the four after it.
pub const SERIES: [Ink; 5] = [Ink(4, "s1"), Ink(5, "s2"), Ink(6, "s3"), Ink(7, "s4"), Ink(8, "s5")];
/// Harm.
pub const HARM: Ink = Ink(9, "missed");
/// The onset of an attack.
pub const ONSET: Ink = Ink(10, "onset");
/// Stages.
pub const STAGES: [Ink; 3] = [Ink(11, "t0"), Ink(12, "t1"), Ink(13, "t2")];
/// Floors.
pub const FLOOR: Ink = Ink(14, "floor");

const ALL: [Ink; 14] = [
    INK, QUIET, GRID, SERIES[0], SERIES[1], SERIES[2], SERIES[3], SERIES[4], HARM, ONSET, STAGES[0],
    STAGES[1], STAGES[2], FLOOR,
];

impl Ink {
    /// What the backend is told.
    pub fn rgb(self) -> Rgb {
        Rgb(1, 2, self.0)
    }
}

/// An area to draw on, and what it becomes.
pub fn drawn(
    label: &str,
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), String>,
) -> Result<PreEscaped<String>, Error> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area).and_then(|()| area.present().map_err(|error| error.to_string())).map_err(Error::Plot)?;
    }
    for ink in ALL {
        let Rgb(r, g, b) = ink.rgb();
        svg = svg.replace(&format!("#{r:02X}{g:02X}{b:02X}"), &format!("var(--{})", ink.1));
    }
    let own = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let label = maud::html! { (label) }.into_string().replace('"', "&quot;");
    let ours = format!("<svg class=\"plot\" role=\"img\" aria-label=\"{label}\"");
    Ok(PreEscaped(svg.replacen(&own, &ours, 1)))
}

/// Errors of a backend, in words.
pub fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A line of a plot of curves.
pub struct Line<'l, P> {
    /// Its points.
    pub points: &'l [P],
    /// Its colour.
    pub ink: Ink,
    /// Thin and dashed.
    pub floor: bool,
}

/// The size of every plot but the timelines.
const SIZE: (u32, u32) = (520, 400);

/// ROC curves up to a rate of clean sessions.
pub fn roc(lines: &[Line<'_, RocPoint>], most: f64, label: &str) -> Result<PreEscaped<String>, Error> {
    drawn(label, SIZE, |area| {
        let x = Axis { range: 0.0..most, name: "clean sessions called an attack", words: percent };
        let y = Axis { range: 0.0..1.0, name: "attacks called an attack", words: percent };
        let mut chart = axes(area, x, y)?;
        let diagonal = LineSeries::new([(0.0, 0.0), (most, most)], GRID.rgb().stroke_width(1));
        chart.draw_series(diagonal).map_err(words)?;
        lines.iter().try_for_each(|line| curve(&mut chart, clipped(line.points, most), line.ink, line.floor))
    })
}

/// Precision-recall curves, above what chance has: the share of attacks among all sessions.
pub fn precision_recall(
    lines: &[Line<'_, PrPoint>],
    chance: f64,
    label: &str,
) -> Result<PreEscaped<String>, Error> {
    drawn(label, SIZE, |area| {
        let x = Axis { range: 0.0..1.0, name: "attacks called an attack", words: percent };
        let y = Axis { range: 0.0..1.0, name: "attacks among what is called one", words: percent };
        let mut chart = axes(area, x, y)?;
        let chance = LineSeries::new([(0.0, chance), (1.0, chance)], GRID.rgb().stroke_width(1));
        chart.draw_series(chance).map_err(words)?;
        lines.iter().try_for_each(|line| curve(&mut chart, stepped(line.points), line.ink, line.floor))
    })
}

/// Steps, each up to its point's recall and as high as its precision.
fn stepped(points: &[PrPoint]) -> Vec<(f64, f64)> {
    let from = std::iter::once(0.0).chain(points.iter().map(|point| point.recall));
    from.zip(points).flat_map(|(from, to)| [(from, to.precision), (to.recall, to.precision)]).collect()
}

/// The part of a curve up to a rate, with the point where it leaves.
fn clipped(points: &[RocPoint], most: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if kept.is_empty() {
            kept.push((a.fpr, a.tpr));
        }
        if b.fpr <= most {
            kept.push((b.fpr, b.tpr));
        } else {
            let share = (most - a.fpr) / (b.fpr - a.fpr);
            kept.push((most, a.tpr + share * (b.tpr - a.tpr)));
            break;
        }
    }
    kept
}

/// Share of attacks found within a delay, on a logarithmic axis.
pub fn delays(lines: &[(&[Step], Ink)], unit: &str, label: &str) -> Result<PreEscaped<String>, Error> {
    let all = || lines.iter().flat_map(|(steps, _)| steps.iter().map(|step| step.after));
    let least = all().filter(|after| *after > 0.0).fold(f64::INFINITY, f64::min).clamp(0.1, 1e6);
    let most = all().fold(10.0 * least, f64::max) * 1.6;
    let name = format!("{unit} from the onset");
    drawn(label, SIZE, |area| {
        let x = Axis { range: (least..most).log_scale(), name: &name, words: short };
        let y = Axis { range: 0.0..1.0, name: "attacks detected", words: percent };
        let mut chart = axes(area, x, y)?;
        for (steps, ink) in lines {
            let mut points = vec![(least, 0.0)];
            for step in *steps {
                let before = points.last().map_or(0.0, |point| point.1);
                let at = step.after.max(least);
                points.extend([(at, before), (at, step.found)]);
            }
            let last = points.last().map_or(0.0, |point| point.1);
            points.push((most, last));
            curve(&mut chart, points, *ink, false)?;
        }
        Ok(())
    })
}

/// Target against realised rate, on logarithmic axes, with the line where both are the same.
pub fn calibrated(
    lines: &[(Vec<(f64, f64)>, Ink)],
    least: f64,
    label: &str,
) -> Result<PreEscaped<String>, Error> {
    drawn(label, SIZE, |area| {
        let x = Axis { range: (0.0008..0.25f64).log_scale(), name: "promised: p at most", words: short };
        let y = Axis {
            range: (least..1.0f64).log_scale(),
            name: "clean sessions that came so far",
            words: percent,
        };
        let mut chart = axes(area, x, y)?;
        let same = LineSeries::new(
            [(least.max(0.0008), least.max(0.0008)), (0.25, 0.25)],
            GRID.rgb().stroke_width(2),
        );
        chart.draw_series(same).map_err(words)?;
        for (points, ink) in lines {
            let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x, y.max(least))).collect();
            dotted(&mut chart, points, *ink)?;
        }
        Ok(())
    })
}

/// A figure of a row.
type Read = fn(&Learned) -> Option<f64>;

/// Detection by the number of training sessions.
pub fn learning(rows: &[Learned]) -> Result<PreEscaped<String>, Error> {
    let most = rows.iter().map(|row| row.sessions).max().unwrap_or(1) as f64 * 1.05;
    let label = "Detection by the number of training sessions";
    drawn(label, SIZE, |area| {
        let x = Axis { range: 0.0..most, name: "normal sessions that taught a baseline", words: whole };
        let y = Axis { range: 0.0..1.0, name: "share", words: percent };
        let mut chart = axes(area, x, y)?;
        let reads: [(Read, Ink); 4] = [
            (|row| row.arm.auc, SERIES[0]),
            (|row| row.arm.detection[1], SERIES[1]),
            (|row| row.arm.alerted.share(), SERIES[2]),
            (|row| row.denied.share(), HARM),
        ];
        for (read, ink) in reads {
            let points: Vec<(f64, f64)> =
                rows.iter().filter_map(|row| Some((row.sessions as f64, read(row)?))).collect();
            dotted(&mut chart, points, ink)?;
        }
        Ok(())
    })
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

/// An axis: from where to where, its name, and how its labels are written.
struct Axis<'n, R> {
    range: R,
    name: &'n str,
    words: fn(&f64) -> String,
}

/// A chart with its axes, grid and labels, alike on every plot.
fn axes<'a, 'b, X, Y>(
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
    x: Axis<'_, X>,
    y: Axis<'_, Y>,
) -> Result<Chart<'a, 'b, X::CoordDescType, Y::CoordDescType>, String>
where
    X: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(x.range, y.range)
        .map_err(words)?;
    let label = ("sans-serif", 13).into_font().color(&QUIET.rgb());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.rgb().stroke_width(1))
        .light_line_style(TRANSPARENT)
        .axis_style(GRID.rgb().stroke_width(1))
        .label_style(label.clone())
        .axis_desc_style(label)
        .x_labels(6)
        .y_labels(6)
        .x_desc(x.name)
        .y_desc(y.name)
        .x_label_formatter(&x.words)
        .y_label_formatter(&y.words)
        .draw()
        .map_err(words)?;
    Ok(chart)
}

/// A line through points, of a floor thin and dashed.
fn curve<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    points: Vec<(f64, f64)>,
    ink: Ink,
    floor: bool,
) -> Result<(), String>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    if floor {
        let dashed = DashedLineSeries::new(points, 4, 4, ink.rgb().stroke_width(1));
        chart.draw_series(dashed).map_err(words)?;
    } else {
        let series = LineSeries::new(points, ink.rgb().stroke_width(2));
        chart.draw_series(series).map_err(words)?;
    }
    Ok(())
}

/// A line through points, each of which is seen.
fn dotted<X, Y>(chart: &mut Chart<'_, '_, X, Y>, points: Vec<(f64, f64)>, ink: Ink) -> Result<(), String>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let dots: Vec<_> = points.iter().map(|&point| Circle::new(point, 3, ink.rgb().filled())).collect();
    curve(chart, points, ink, false)?;
    chart.draw_series(dots).map_err(words)?;
    Ok(())
}

/// A share in percent.
fn percent(share: &f64) -> String {
    let percent = share * 100.0;
    if percent < 1.0 && percent > 0.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn whole(value: &f64) -> String {
    format!("{value:.0}")
}

fn short(value: &f64) -> String {
    match *value {
        v if v >= 1e6 => format!("{:.0}M", v / 1e6),
        v if v >= 1e3 => format!("{:.0}k", v / 1e3),
        v if v >= 1.0 => format!("{v:.0}"),
        v => format!("{v}"),
    }
}
