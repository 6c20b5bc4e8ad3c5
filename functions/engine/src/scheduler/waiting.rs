//! Queue of jobs that wait for a slot: first come, first served, but a request with many texts leaves some to others.

use std::collections::VecDeque;

use super::job::{Group, Job};

/// Jobs in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting(VecDeque<Job>);

impl Waiting {
    pub(super) fn extend(&mut self, jobs: Vec<Job>) {
        self.0.extend(jobs);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one: of the group that has the fewest slots, the one that came first.
    pub(super) fn next(&self, slots_of: impl Fn(Group) -> usize) -> Option<usize> {
        (0..self.0.len()).min_by_key(|&index| (slots_of(self.0[index].group()), index))
    }

    pub(super) fn get(&self, index: usize) -> Option<&Job> {
        self.0.get(index)
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Job> {
        self.0.remove(index)
    }

    /// Takes those out that have a reason to end.
    pub(super) fn take_ended(&mut self) -> Vec<Job> {
        let mut ended = Vec::new();
        for mut job in std::mem::take(&mut self.0) {
            let has_ended = match &mut job {
                Job::Text { text, .. } => {
                    text.end_if_due();
                    text.finish_reason.is_some()
                }
                Job::Inspection { .. } => false,
            };
            if has_ended { ended.push(job) } else { self.0.push_back(job) }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_has_the_fewest_slots_comes_next_and_then_who_came_first() {
        let mut waiting = Waiting::default();
        let job = |group| Job::Inspection { group: Group(group), ids: vec![], reply: channel().0 };
        waiting.extend([1, 1, 2, 3].map(job).into());
        assert_eq!(waiting.next(|_| 0), Some(0));
        assert_eq!(waiting.next(|group| if group == Group(1) { 3 } else { 1 }), Some(2));
        assert_eq!(waiting.next(|group| group.0 as usize), Some(0));
        assert_eq!(waiting.remove(2).map(|job| job.group()), Some(Group(2)));
        assert_eq!(waiting.next(|group| if group == Group(1) { 3 } else { 1 }), Some(2));
        assert_eq!((waiting.len(), waiting.is_empty()), (3, false));
    }
}
