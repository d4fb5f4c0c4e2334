//! The first frame of a worker's life: who it is, and what is around it.

use std::ffi::CString;
use std::io;

use nix::sys::prctl;
use serde::{Deserialize, Serialize};

use crate::link::Patient;
use crate::surroundings::{Surroundings, Written};
use crate::wire::{self, HEAD, Kind, Reader};
use crate::{codec, current};

/// What a worker is told first; its surroundings follow, which are the same for all workers of a pool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its name.
    pub(crate) name: String,
    /// Its name for the system, of which that keeps 15 bytes.
    pub(crate) short_name: String,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// The longest payload in either direction.
    pub(crate) max_payload: u64,
    /// Whether the panic hook may be installed.
    pub(crate) panic_hook: bool,
    /// What it runs before its first task: the payload of a task frame.
    pub(crate) initializer: Option<Vec<u8>>,
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// The tasks of a pool.
    Pool {
        /// The place in it.
        index: usize,
    },
    /// One function, whose end is the process's.
    Alone,
}

impl Setup {
    /// The first frame, with which the descriptors of the surroundings go.
    pub(crate) fn frame(&self, surroundings: &Surroundings) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; HEAD];
        codec::encode(self, &mut frame).map_err(io::Error::other)?;
        frame.extend_from_slice(surroundings.written());
        let length = frame.len() - HEAD;
        wire::fits("a worker's setup", length, wire::MAX_PAYLOAD).map_err(io::Error::other)?;
        wire::seal(&mut frame, Kind::Setup, 0);
        Ok(frame)
    }

    /// In the worker: waits for the first frame and becomes what it says. `None` when nobody has sent one; an
    /// inner error where something of it cannot be had.
    pub(crate) fn receive(
        reader: &mut Reader,
        stream: &mut Patient<'_>,
    ) -> io::Result<Option<(Setup, io::Result<()>)>> {
        loop {
            if let Some(frame) = reader.next().map_err(io::Error::other)? {
                if frame.kind != Kind::Setup {
                    return Err(io::Error::other("the first frame is no setup"));
                }
                let (setup, rest): (Setup, _) =
                    codec::decode_first(frame.payload).map_err(io::Error::other)?;
                let written: Written = codec::decode(rest).map_err(io::Error::other)?;
                let settled = written
                    .adopt(std::mem::take(&mut stream.fds))
                    .and_then(|()| setup.adopt());
                return Ok(Some((setup, settled)));
            }
            if reader.fill(stream)? == 0 {
                return Ok(None);
            }
        }
    }

    fn adopt(&self) -> io::Result<()> {
        current::become_process(&self.name);
        prctl::set_name(&CString::new(self.short_name.as_str())?)?;
        if self.panic_hook {
            pool_core::install_hook();
        }
        Ok(())
    }
}
