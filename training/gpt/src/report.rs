//! `report.html`: all that a person wants to know about a training run, on one page.
//!
//! The page is `templates/report.html`. It needs nothing but itself: no script, no font, no picture
//! from elsewhere, and its content security policy forbids them. What is written into it is escaped
//! by the template library, except for the loss curve, whose drawing escapes what it writes.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use artifact::manifest::{CorpusEntry, Variant};
use askama::Template;

use crate::plot::evenly_chosen;
use crate::train::Evaluation;
use crate::train::samples::Sample;

/// Rows of the table of evaluations; more are for machines, in `metrics.jsonl`.
const MAX_EVALUATION_ROWS: usize = 40;
const MAX_SAMPLES: usize = 12;
const MAX_CORPUS_ROWS: usize = 50;
/// A validation loss that rises by less, as a share of the lowest, may have risen by chance.
const SMALLEST_RISE: f64 = 0.01;

/// What a report tells.
#[derive(Template)]
#[template(path = "report.html")]
pub struct Report<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Version of the model.
    pub version: &'a str,
    /// RFC 3339, UTC.
    pub created_at: &'a str,
    /// What it was trained on.
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
    /// The picture that [`loss_curve`](crate::plot::loss_curve) draws; it is not escaped.
    pub loss_curve_svg: &'a str,
    /// The ONNX files.
    pub variants: &'a [Variant],
    /// What the model wrote on the way, in order.
    pub samples: &'a [Sample<'a>],
    /// What else took how long.
    pub timings: &'a [(&'a str, Duration)],
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// If it cannot be put together.
    pub fn html(&self) -> Result<String, askama::Error> {
        self.render()
    }

    fn last(&self) -> Option<&Evaluation> {
        self.evaluations.last()
    }

    /// So many evaluations as one may want to read, the kept one among them.
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

/// Takes the time of one part of a job after the other.
#[derive(Debug)]
pub struct Stopwatch {
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    /// Begins with the first part.
    pub fn start() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    /// Ends a part, whose time counts under this name, and begins with the next one.
    pub fn lap(&mut self, what: &'static str) {
        self.laps.push((what, self.last.elapsed()));
        self.last = Instant::now();
    }

    /// Begins with the next part; the time since the last one does not count.
    pub fn skip(&mut self) {
        self.last = Instant::now();
    }

    /// The parts so far.
    pub fn laps(&self) -> &[(&'static str, Duration)] {
        &self.laps
    }
}

// How the template writes numbers; it passes fields by reference and results by value.

/// 162,419,712
fn thousands(number: impl Borrow<usize>) -> String {
    let digits = number.borrow().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 0.75 s, 89.0 s, 7 min 5 s, 2 h 30 min
fn duration(seconds: impl Borrow<f64>) -> String {
    let seconds = *seconds.borrow();
    let whole = seconds.round() as u64;
    match seconds {
        ..2.0 => format!("{seconds:.2} s"),
        ..120.0 => format!("{seconds:.1} s"),
        ..7200.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A figure that may not be known.
fn figure(value: &Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A number that may be far below 1: 0.2500, 3.1e-5.
fn small(number: &f64) -> String {
    if number.abs() >= 1e-3 || *number == 0.0 { format!("{number:.4}") } else { format!("{number:.1e}") }
}

#[cfg(test)]
mod tests {
    use artifact::Sha256Hex;
    use artifact::manifest::Precision;

    use super::*;
    use crate::plot::loss_curve;

    fn evaluation(step: usize, train_loss: f64, val_loss: f64) -> Evaluation {
        let seconds = step as f64 * 4.5;
        Evaluation { epoch: step / 9 + 1, step, tokens_seen: 512 * step, train_loss, val_loss, seconds }
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
            kl_divergence: 3.125e-11,
            top_1_agreement: 0.9987,
            largest_logit_difference: 0.0625,
        };
        let without_text =
            Variant { precision: Precision::W8, val_loss: None, perplexity: None, ..float32.clone() };
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
            "2026-11-23T12:00:00Z",
            "20261123T120000Z-0123abcd",
            "cpu, 2 threads",
        ] {
            assert!(html.contains(number), "{number}: {html}");
        }
        assert_eq!(rows(&html, "Evaluations"), 2);
        assert_eq!(rows(&html, "Exports"), 2);
    }

    #[test]
    fn what_a_run_was_given_stays_text() {
        let samples = [Sample { epoch: 1, text: "</pre><script>alert('1')</script>" }];
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
        let html = report(&[evaluation(0, 11.0, 11.0)], &[Sample { epoch: 1, text: "src=" }]);
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
        let samples: Vec<_> = (1..).zip(&texts).map(|(epoch, text)| Sample { epoch, text }).collect();
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

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 46_080, 1_000_000].map(thousands),
            ["0", "999", "1,000", "46,080", "1,000,000"]
        );
        assert_eq!(
            [0.5, 89.0, 425.0, 9_000.0].map(duration),
            ["0.50 s", "89.0 s", "7 min 5 s", "2 h 30 min"]
        );
        assert_eq!([0.0, 0.25, 3.1e-5].map(|n| small(&n)), ["0.0000", "0.2500", "3.1e-5"]);
    }
}
