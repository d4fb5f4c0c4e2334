//! A worker receives its setup and applies it.

use std::ffi::CString;
use std::io;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};

use crate::current;
use crate::environment::settings::Settings;
use crate::ring::worker::{RingAndBell, WorkerRing};
use crate::wire::codec;
use crate::wire::setup::Setup;
use crate::wire::socket::Blocking;
use crate::wire::{Kind, Reader};

impl Setup {
    /// Waits for the first frame and applies it. `None` when the socket ends before; an inner error where something of it cannot be
    /// applied.
    pub(super) fn receive(
        reader: &mut Reader,
        stream: &mut Blocking<'_>,
    ) -> io::Result<Option<(Setup, io::Result<Option<RingAndBell>>)>> {
        loop {
            if let Some(frame) = reader.next().map_err(io::Error::other)? {
                if frame.kind != Kind::Setup {
                    return Err(io::Error::other("the first frame is no setup"));
                }
                let (setup, rest): (Setup, _) =
                    codec::decode_first(frame.payload).map_err(io::Error::other)?;
                let environment: Settings = codec::decode(rest).map_err(io::Error::other)?;
                let mut fds = Vec::from(std::mem::take(&mut stream.fds));
                let bell = setup.ring.and_then(|_| fds.pop());
                let memory = setup.ring.and_then(|_| fds.pop());
                let applied = environment.apply(fds).and_then(|()| setup.apply());
                // Where it cannot be mapped, tasks come by the socket.
                let ring = || Some((WorkerRing::open(memory?).ok()?, bell?));
                let applied = applied.map(|()| ring());
                return Ok(Some((setup, applied)));
            }
            if reader.fill(stream)? == 0 {
                return Ok(None);
            }
        }
    }

    fn apply(&self) -> io::Result<()> {
        // It is stopped by this signal, which the program may have blocked to wait for it on a thread of its own.
        let stop: SigSet = [Signal::SIGTERM].into_iter().collect();
        stop.thread_unblock()?;
        current::set_name(&self.name);
        prctl::set_name(&CString::new(self.short_name.as_str())?)?;
        if self.panic_hook {
            pool_core::backend::install_hook();
        }
        Ok(())
    }
}
