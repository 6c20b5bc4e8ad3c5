//! Loss curve of a training run, as SVG.

use std::error::Error;

use plotters::chart::DualCoordChartContext;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::train::Evaluation;

const SIZE: (u32, u32) = (720, 450);
const TEXT: (&str, i32) = ("sans-serif", 16);
const TRAIN: RGBColor = RGBColor(47, 128, 196);
const VALIDATION: RGBColor = RGBColor(217, 98, 20);
const GRID: RGBColor = RGBColor(213, 218, 224);
/// One for each pixel.
const MAX_POINTS: usize = 720;

/// Colours for a dark screen, alone or in a page: styles outweigh the attributes that `plotters` writes.
const DARK: &str = r##"<style>@media screen and (prefers-color-scheme: dark) {
svg rect[fill="#FFFFFF"] { fill: #14171a }
svg text { fill: #e3e7eb }
svg [stroke="#000000"] { stroke: #9aa4ae }
svg [stroke="#D5DAE0"] { stroke: #343b43 }
}</style>
"##;

/// A loss curve that could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("a run without evaluations has no loss curve")]
    NoEvaluations,
    /// The plotting library failed.
    #[error("drawing the loss curve: {0}")]
    Drawing(String),
}

type Axes = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type Chart<'a> = DualCoordChartContext<'a, SVGBackend<'a>, Axes, Axes>;
type DrawingResult<T> = Result<T, Box<dyn Error>>;

/// Draws training and validation loss against steps (below) and tokens (above), as SVG.
///
/// # Errors
/// If there is nothing to draw or the drawing fails.
pub fn loss_curve(title: &str, evaluations: &[Evaluation]) -> Result<String, PlotError> {
    let (Some(first), Some(last)) = (evaluations.first(), evaluations.last()) else {
        return Err(PlotError::NoEvaluations);
    };
    let mut svg = String::new();
    draw(&mut svg, title, evaluations, [first, last])
        .map_err(|error| PlotError::Drawing(error.to_string()))?;
    let end_of_tag = svg.find('>').ok_or_else(|| PlotError::Drawing("it is no SVG".to_owned()))? + 2;
    svg.insert_str(end_of_tag, DARK);
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    evaluations: &[Evaluation],
    [first, last]: [&Evaluation; 2],
) -> DrawingResult<()> {
    let losses = evaluations.iter().flat_map(|e| [e.train_loss, e.val_loss]);
    let highest = losses.filter(|loss| loss.is_finite()).fold(f64::EPSILON, f64::max) * 1.05;
    let range = |from: usize, to: usize| from as f64..to.max(from + 1) as f64;
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(48)
        .top_x_label_area_size(48)
        .y_label_area_size(52)
        .build_cartesian_2d(range(first.step, last.step), 0.0..highest)?
        .set_secondary_coord(range(first.tokens_seen, last.tokens_seen), 0.0..highest);
    draw_axes(&mut chart)?;
    draw_lines(&mut chart, &evenly_chosen(evaluations, MAX_POINTS))?;
    area.present()?;
    Ok(())
}

fn draw_axes(chart: &mut Chart<'_>) -> DrawingResult<()> {
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE.mix(0.0))
        .label_style(TEXT)
        .x_labels(8)
        .x_label_formatter(&short)
        .x_desc("steps")
        .y_desc("loss, nats per token")
        .draw()?;
    chart
        .configure_secondary_axes()
        .label_style(TEXT)
        .x_labels(8)
        .x_label_formatter(&short)
        .x_desc("tokens")
        .draw()?;
    Ok(())
}

/// Both curves and their legend; a loss that is not finite is left out.
fn draw_lines(chart: &mut Chart<'_>, evaluations: &[&Evaluation]) -> DrawingResult<()> {
    let points = |loss: fn(&Evaluation) -> f64| {
        let points = evaluations.iter().map(|e| (e.step as f64, loss(e)));
        points.filter(|(_, loss)| loss.is_finite()).collect::<Vec<_>>()
    };
    for (name, colour, points) in
        [("training", TRAIN, points(|e| e.train_loss)), ("validation", VALIDATION, points(|e| e.val_loss))]
    {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(TEXT)
        .border_style(GRID)
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

/// A number of steps or tokens in few characters: 900, 46k, 1.25M.
fn short(number: &f64) -> String {
    let (unit, name) = match number.abs() {
        0.0..1e4 => (1.0, ""),
        1e4..1e6 => (1e3, "k"),
        1e6..1e9 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    // Rounded, since ticks are sums of fractions.
    format!("{}{name}", (number / unit * 100.0).round() / 100.0)
}

/// At most `limit` of `items`, at even distances, the first and the last among them. `limit` is at
/// least 2.
pub fn evenly_chosen<T>(items: &[T], limit: usize) -> Vec<&T> {
    let count = items.len().min(limit);
    (0..count).map(|i| &items[i * (items.len() - 1) / (count - 1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize, train_loss: f64, val_loss: f64) -> Evaluation {
        let (tokens_seen, bits_per_byte) = (512 * step, None);
        Evaluation { epoch: 1, step, tokens_seen, train_loss, val_loss, bits_per_byte, seconds: 0.0 }
    }

    #[test]
    fn draws_both_curves_against_steps_and_tokens() {
        let svg = loss_curve("a run", &[evaluation(0, 11.0, 11.0), evaluation(90, 7.0, 8.0)]).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.matches("<polyline").count() >= 2, "{svg}");
        for text in ["a run", "training", "validation", "steps", "tokens", "nats per token"] {
            assert!(svg.contains(text), "{text}");
        }
        // 90 steps of 512 tokens are 46,080; these are the last round numbers on the axes.
        for tick in ["\n80\n", "\n40k\n"] {
            assert!(svg.contains(tick), "{tick}: {svg}");
        }
        assert!(svg.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn losses_that_are_not_finite_are_left_out() {
        assert!(loss_curve("one", &[evaluation(0, 11.0, 11.0)]).is_ok());
        assert!(loss_curve("none", &[]).is_err());
        let svg =
            loss_curve("bad", &[evaluation(0, f64::NAN, 9.0), evaluation(1, 8.0, f64::INFINITY)]).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let many: Vec<_> = (0..100_000).map(|step| evaluation(step, 5.0, 6.0)).collect();
        assert!(loss_curve("many", &many).unwrap().len() < 50_000);
    }

    #[test]
    fn markup_in_the_title_stays_text() {
        let svg = loss_curve("<script>&", &[evaluation(0, 11.0, 11.0)]).unwrap();
        assert!(svg.contains("&lt;script&gt;&amp;") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn a_choice_is_even_and_ends_with_the_last() {
        assert_eq!(evenly_chosen(&[0, 1, 2, 3, 4, 5, 6, 7, 8], 3), [&0, &4, &8]);
        assert_eq!(evenly_chosen(&[0, 1], 3), [&0, &1]);
        assert_eq!(evenly_chosen(&[7], 3), [&7]);
        assert!(evenly_chosen::<u8>(&[], 3).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 90.0, 5e3, 46_080.0, 1.25e6, 2e9].map(|n| short(&n)),
            ["0", "90", "5000", "46.08k", "1.25M", "2G"]
        );
    }
}
