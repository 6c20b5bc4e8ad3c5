//! Objects of a store: bytes under a key, their state, and conditions for writing them.

use std::path::Path;

/// Length limit of objects that are read into memory: far more than any manifest or channel needs.
pub(crate) const MAX_SMALL_BYTES: u64 = 1 << 20;

/// A small object and the tag of its state.
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tag: Tag,
}

/// Identifies a state of an object: a digest in a directory, the ETag in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) String);

/// Condition on an object at the moment when it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition<'a> {
    Always,
    IfAbsent,
    IfUnchanged(&'a Tag),
}

/// Contents of an object that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}
