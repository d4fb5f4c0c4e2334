//! The part of an environment that is sent as bytes.

use nix::sys::resource::rlim_t;
use serde::{Deserialize, Serialize};

use crate::sys::Signals;

/// Variables, limits, signals and the like, as numbers and names.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(super) variables: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) umask: u32,
    pub(super) blocked: Signals,
    pub(super) ignored: Signals,
    pub(super) limits: Vec<(rlim_t, rlim_t)>,
    pub(super) cpus: Vec<usize>,
    pub(super) dumpable: bool,
    /// The nice value, if it is to be another one than that of the pool's thread.
    pub(super) nice: Option<i32>,
}
