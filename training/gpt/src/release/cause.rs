//! Cause of a channel's move: the time, the user or job, and the figures that it was decided by.

use std::collections::BTreeMap;

use jiff::Timestamp;
use store::{Cause, Reason};

/// The cause of a move that this process makes now.
pub fn now(reason: Reason, figures: &[(&str, f64)]) -> Cause {
    Cause {
        at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        by: this_process(
            |name| std::env::var(name).ok(),
            &rustix::system::uname().nodename().to_string_lossy(),
        ),
        reason,
        figures: figures
            .iter()
            .map(|(name, figure)| ((*name).to_owned(), *figure))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// The job that this process is of AWS Batch, or its user and machine.
fn this_process(variable: impl Fn(&str) -> Option<String>, machine: &str) -> String {
    let is_given = |name: &String| !name.is_empty();
    if let Some(job) = variable("AWS_BATCH_JOB_ID").filter(is_given) {
        return format!("AWS Batch job {job}");
    }
    let user = ["USER", "LOGNAME"].iter().find_map(|name| variable(name).filter(is_given));
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    format!("{user}@{machine}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_before_a_user() {
        let in_environment = |variables: &'static [(&str, &str)]| {
            let find = move |name: &str| variables.iter().find(|(known, _)| *known == name);
            this_process(move |name| find(name).map(|(_, value)| (*value).to_owned()), "mill")
        };
        assert_eq!(in_environment(&[("USER", "ada"), ("AWS_BATCH_JOB_ID", "3f-1")]), "AWS Batch job 3f-1");
        assert_eq!(in_environment(&[("USER", ""), ("LOGNAME", "ada"), ("AWS_BATCH_JOB_ID", "")]), "ada@mill");
        assert!(in_environment(&[]).starts_with("user "));
    }
}
