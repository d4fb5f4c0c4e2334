//! The first frame that a new worker is sent.

use std::io;

use crate::environment::Environment;
use crate::wire::setup::Setup;
use crate::wire::{self, HEAD, Kind, codec};

impl Setup {
    /// The first frame, with which the descriptors of the environment go.
    pub(crate) fn frame(&self, environment: &Environment) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; HEAD];
        codec::encode(self, &mut frame).map_err(io::Error::other)?;
        frame.extend_from_slice(environment.settings());
        let length = frame.len() - HEAD;
        wire::fits("a worker's setup", length, wire::MAX_PAYLOAD).map_err(io::Error::other)?;
        wire::seal(&mut frame, Kind::Setup, 0);
        Ok(frame)
    }
}
