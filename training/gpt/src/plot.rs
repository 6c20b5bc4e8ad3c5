//! The loss curve of a run, as a picture.

use plotters::prelude::*;

use crate::train::Evaluation;

const SIZE: (u32, u32) = (720, 420);
const TRAIN: RGBColor = RGBColor(31, 119, 180);
const VALIDATION: RGBColor = RGBColor(214, 96, 18);

/// Draws training and validation loss against steps and tokens, as SVG.
///
/// # Errors
/// If there is nothing to draw or the drawing fails.
pub fn loss_curve(title: &str, evaluations: &[Evaluation]) -> Result<String, String> {
    let (Some(first), Some(last)) = (evaluations.first(), evaluations.last()) else {
        return Err("a run without evaluations has no curve".to_owned());
    };
    let losses = || evaluations.iter().flat_map(|e| [e.train_loss, e.val_loss]);
    let highest = losses().fold(0.0, f64::max) * 1.05;
    let tokens_per_step = last.tokens_seen as f64 / last.step.max(1) as f64;
    let mut svg = String::new();
    let mut draw = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(48)
            .build_cartesian_2d(first.step as f64..last.step.max(first.step + 1) as f64, 0.0..highest)?;
        let step_and_tokens = |step: &f64| format!("{step:.0} ({:.0}k)", step * tokens_per_step / 1e3);
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(8)
            .x_label_formatter(&step_and_tokens)
            .x_desc("steps (tokens)")
            .y_desc("loss, nats per token")
            .draw()?;
        let train: Vec<_> = evaluations.iter().map(|e| (e.step as f64, e.train_loss)).collect();
        let validation: Vec<_> = evaluations.iter().map(|e| (e.step as f64, e.val_loss)).collect();
        for (name, colour, points) in [("training", TRAIN, train), ("validation", VALIDATION, validation)] {
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().border_style(BLACK.mix(0.3)).background_style(WHITE).draw()?;
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| error.to_string())?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize, train_loss: f64, val_loss: f64) -> Evaluation {
        Evaluation { epoch: 1, step, tokens_seen: 512 * step, train_loss, val_loss, seconds: 0.0 }
    }

    #[test]
    fn draws_both_curves() {
        let svg = loss_curve("a run", &[evaluation(0, 11.0, 11.0), evaluation(9, 7.0, 8.0)]).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.matches("<polyline").count() >= 2, "{svg}");
        for text in ["a run", "training", "validation", "steps (tokens)", "nats per token"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_single_evaluation_is_drawn_and_none_is_an_error() {
        assert!(loss_curve("one", &[evaluation(0, 11.0, 11.0)]).is_ok());
        assert!(loss_curve("none", &[]).is_err());
    }
}
