//! HTML report of a training run: losses, exports, samples, corpus, settings and times on one page.
//!
//! The template is `templates/report.html`. The page loads nothing: no script, no font, no picture, and
//! its content security policy forbids them. Askama escapes everything that is written into it, except
//! for the loss curve, where `plotters` has escaped the texts.

use std::time::Duration;

use artifact::manifest::{CorpusEntry, Variant};
use askama::Template;

use super::numbers::{duration, figure, small, thousands};
use super::plot::evenly_chosen;
use crate::auto::Expectation;
use crate::train::Evaluation;
use crate::train::memorizing::SMALLEST_RISE;
use crate::train::samples::Sample;

/// Rows of the table of evaluations; `metrics.jsonl` has all.
const MAX_EVALUATION_ROWS: usize = 40;
const MAX_SAMPLES: usize = 12;
const MAX_CORPUS_ROWS: usize = 50;

/// Contents of a report.
#[derive(Template)]
#[template(path = "report.html")]
pub struct Report<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Version of the model.
    pub version: &'a str,
    /// RFC 3339, UTC.
    pub created_at: &'a str,
    /// The device that it was trained on.
    pub device: &'a str,
    /// Number of the model's parameters.
    pub parameters: usize,
    /// The texts.
    pub corpus: &'a [CorpusEntry],
    /// The effective settings, as a preset.
    pub preset_toml: &'a str,
    /// All evaluations of the run, in order.
    pub evaluations: &'a [Evaluation],
    /// The evaluation of the weights that the version holds.
    pub kept: &'a Evaluation,
    /// SVG of [`loss_curve`](super::plot::loss_curve); it is not escaped.
    pub loss_curve_svg: &'a str,
    /// The ONNX files.
    pub variants: &'a [Variant],
    /// Texts that the model wrote during training, in order.
    pub samples: &'a [Sample<'a>],
    /// What was promised of the run, if it was planned for a budget.
    pub expected: Option<Expectation>,
    /// The most memory that the training had at once, where that is known.
    pub peak_memory_bytes: Option<u64>,
    /// The parts of the job besides training, and their times.
    pub timings: &'a [(&'a str, Duration)],
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// If the template cannot be rendered.
    pub fn html(&self) -> Result<String, askama::Error> {
        self.render()
    }

    fn last(&self) -> Option<&Evaluation> {
        self.evaluations.last()
    }

    /// At most [`MAX_EVALUATION_ROWS`] evaluations and the kept one.
    fn evaluation_rows(&self) -> Vec<&Evaluation> {
        let mut rows = evenly_chosen(self.evaluations, MAX_EVALUATION_ROWS);
        if rows.iter().all(|row| row.step != self.kept.step) {
            rows.push(self.kept);
            rows.sort_by_key(|row| row.step);
        }
        rows
    }

    fn sample_rows(&self) -> Vec<&Sample<'_>> {
        evenly_chosen(self.samples, MAX_SAMPLES)
    }

    /// The evaluation with the lowest validation loss and the last one, if validation loss rose
    /// between them while training loss fell.
    fn divergence(&self) -> Option<(&Evaluation, &Evaluation)> {
        let lowest = self.evaluations.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))?;
        let last = self.last()?;
        let rises = last.val_loss > lowest.val_loss * (1.0 + SMALLEST_RISE);
        (rises && last.train_loss < lowest.train_loss).then_some((lowest, last))
    }
}

#[cfg(test)]
mod tests {
    use artifact::Sha256Hex;
    use artifact::manifest::Precision;

    use super::super::plot::loss_curve;
    use super::*;
    use crate::train::Moment;

    fn evaluation(step: usize, train_loss: f64, val_loss: f64) -> Evaluation {
        let seconds = step as f64 * 4.5;
        let bits_per_byte = Some(val_loss / 2.0);
        let (epoch, tokens_seen) = (step / 9 + 1, 512 * step);
        Evaluation { epoch, step, tokens_seen, train_loss, val_loss, bits_per_byte, seconds }
    }

    /// The report of a run with these evaluations, of which the last is kept.
    fn report(evaluations: &[Evaluation], samples: &[Sample]) -> String {
        let corpus = CorpusEntry {
            name: "<b>story</b>.txt".to_owned(),
            sha256: Sha256Hex::of_bytes(b"story"),
            tokens: 5145,
        };
        let float32 = Variant {
            precision: Precision::Float32,
            file: "model.onnx".to_owned(),
            bytes: 650_200_000,
            val_loss: Some(2.5),
            perplexity: Some(12.18),
            bits_per_byte: Some(0.875),
            kl_divergence: 3.125e-11,
            top_1_agreement: 0.9987,
            largest_logit_difference: 0.0625,
        };
        let without_text = Variant {
            precision: Precision::W8,
            val_loss: None,
            perplexity: None,
            bits_per_byte: None,
            ..float32.clone()
        };
        let report = Report {
            name: "the \"verdict\" & more",
            version: "20261123T120000Z-0123abcd",
            created_at: "2026-11-23T12:00:00Z",
            device: "cpu, 2 threads",
            parameters: 162_419_712,
            corpus: &[corpus],
            preset_toml: "[training]\nsources = [\"https://example.org/<a>.txt\"]\n",
            evaluations,
            kept: evaluations.last().unwrap(),
            loss_curve_svg: &loss_curve("a run", evaluations).unwrap(),
            variants: &[float32, without_text],
            samples,
            expected: Some(Expectation { tokens: 9_000, training_seconds: 80.0, bits_per_byte: 1.375 }),
            peak_memory_bytes: Some(3_250_000_000),
            timings: &[("export to ONNX", Duration::from_millis(1520))],
        };
        report.html().unwrap()
    }

    fn rows(html: &str, heading: &str) -> usize {
        let section = html.split("<h2>").find(|section| section.starts_with(heading)).unwrap();
        section.matches("<tr").count() - section.matches("<thead").count()
    }

    #[test]
    fn every_number_is_on_the_page() {
        let html = report(&[evaluation(0, 11.0, 11.25), evaluation(90, 0.3923, 6.4082)], &[]);
        for number in [
            "162,419,712", // parameters
            "46,080",      // 90 * 512 tokens
            "0.3923",
            "6.4082",
            "11.0000",
            "11.2500",
            "606.8", // exp(6.4082)
            "3.20 bits per byte",
            "3.204", // 6.4082 / 2
            "0.875",
            "650.2",
            "2.5000",
            "12.2",
            "3.1e-11",
            "99.87 %",
            "0.0625", // exports
            "5,145",
            &Sha256Hex::of_bytes(b"story").as_str()[..12], // corpus
            "6 min 45 s",
            "4.500 s",
            "114",
            "1.52 s", // 405 s, 405 s / 90, 46080 / 405 s
            "3.25 GB",
            "9,000",
            "80.0",
            "1.375", // the plan
            "2026-11-23T12:00:00Z",
            "20261123T120000Z-0123abcd",
            "cpu, 2 threads",
        ] {
            assert!(html.contains(number), "{number}: {html}");
        }
        assert_eq!(rows(&html, "Evaluations"), 2);
        assert_eq!(rows(&html, "Exports"), 2);
        assert_eq!(rows(&html, "Plan"), 3);
    }

    #[test]
    fn what_a_run_was_given_stays_text() {
        let samples = [Sample { moment: Moment::Epoch(1), text: "</pre><script>alert('1')</script>" }];
        let html = report(&[evaluation(0, 11.0, 11.0)], &samples);
        assert!(
            html.contains("&#60;script&#62;alert") && html.contains("&#60;b&#62;story&#60;/b&#62;.txt"),
            "{html}"
        );
        assert!(
            html.contains("the &#34;verdict&#34; &#38; more") && html.contains("/&#60;a&#62;.txt"),
            "{html}"
        );
    }

    #[test]
    fn the_page_loads_nothing() {
        let html = report(&[evaluation(0, 11.0, 11.0)], &[Sample { moment: Moment::Epoch(1), text: "src=" }]);
        assert!(html.contains("content=\"default-src 'none'; style-src 'unsafe-inline';"), "{html}");
        let html = html.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "").replace("http-equiv", "");
        // An address among the settings is text.
        assert_eq!(html.matches("http").count(), 1, "{html}");
        let markup = html.split('<').map(|tag| tag.split('>').next().unwrap_or_default());
        for tag in markup {
            assert!(!tag.starts_with("script") && !tag.starts_with("link"), "{tag}");
            assert!(!tag.contains("src=") && !tag.contains("href=") && !tag.contains(" on"), "{tag}");
        }
        assert!(!html.contains("url(") && !html.contains("@import"), "{html}");
    }

    #[test]
    fn a_long_run_is_told_in_few_rows() {
        let evaluations: Vec<_> = (0..1_000).map(|step| evaluation(step, 5.0, 6.0)).collect();
        let texts: Vec<_> = (1..=30).map(|epoch| format!("text {epoch}.")).collect();
        let samples: Vec<_> =
            (1..).zip(&texts).map(|(epoch, text)| Sample { moment: Moment::Epoch(epoch), text }).collect();
        let html = report(&evaluations, &samples);
        assert_eq!(rows(&html, "Evaluations"), MAX_EVALUATION_ROWS);
        assert!(html.contains("These are 40 of 1,000 evaluations") && html.contains(">999</th>"), "{html}");
        assert_eq!(html.matches("<pre class=\"sample\">").count(), MAX_SAMPLES);
        assert!(html.contains("text 30.") && html.contains("These are 12 of 30 samples"), "{html}");
    }

    #[test]
    fn a_rising_validation_loss_is_told_only_where_it_rises() {
        let told = "Validation loss was lowest after step 40, 5.9000. By step\n90";
        let start = evaluation(0, 11.0, 11.0);
        let html = report(&[start.clone(), evaluation(40, 3.0, 5.9), evaluation(90, 0.4, 6.4)], &[]);
        assert!(html.contains(told), "{html}");
        // Still falling; risen by less than a hundredth; training loss has risen too.
        for (train_loss, val_loss) in [(0.4, 5.8), (0.4, 5.95), (3.1, 6.4)] {
            let evaluations = [start.clone(), evaluation(40, 3.0, 5.9), evaluation(90, train_loss, val_loss)];
            assert!(!report(&evaluations, &[]).contains("Validation loss was lowest"));
        }
    }
}
