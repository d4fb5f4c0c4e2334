//! Frames on their way to a worker, with the descriptors that go along.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::sys::memory_file::MemoryFile;
use crate::wire::socket::Socket;

/// Frames that were not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    /// Which file goes along with which byte, in their order.
    pub(crate) files: Vec<(usize, Arc<MemoryFile>)>,
}

impl From<Vec<u8>> for Outgoing {
    fn from(bytes: Vec<u8>) -> Self {
        Outgoing {
            bytes,
            files: Vec::new(),
        }
    }
}

impl Outgoing {
    /// Appends frames.
    pub(crate) fn append(&mut self, mut more: Outgoing) {
        if self.bytes.is_empty() {
            *self = more;
            return;
        }
        let behind = self.bytes.len();
        let files = more.files.drain(..);
        self.files
            .extend(files.map(|(at, file)| (behind + at, file)));
        self.bytes.extend_from_slice(&more.bytes);
    }

    /// Writes from this byte on what the socket takes without waiting; where it has come to.
    pub(crate) fn write(&mut self, socket: &Socket, mut from: usize) -> io::Result<usize> {
        while from < self.bytes.len() {
            let next = self.files.first().map(|(at, _)| *at);
            let sent = match next {
                Some(at) if at == from => {
                    let (_, file) = &self.files[0];
                    let until = self.files.get(1).map_or(self.bytes.len(), |(at, _)| *at);
                    match socket.send_with(&self.bytes[from..until], &[file.as_fd()]) {
                        Ok(sent) => {
                            self.files.remove(0);
                            sent
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                        Err(error) => return Err(error),
                    }
                }
                next => socket.try_write(&self.bytes[from..next.unwrap_or(self.bytes.len())])?,
            };
            if sent == 0 {
                break;
            }
            from += sent;
        }
        Ok(from)
    }
}
