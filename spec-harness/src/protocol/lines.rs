//! Cuts streams of bytes into lines of bounded length.

use std::io::{self, BufRead, Read};

/// The longest line that is accepted, its newline included; a longer one is a breach.
pub const MAX_LINE: usize = 16 << 20;

/// Why no line came.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than [`MAX_LINE`].
    #[error("a line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// Not text.
    #[error("a line is not UTF-8")]
    NotText,
    /// The stream ended in the middle of a line.
    #[error("the stream ended in the middle of a line")]
    Cut,
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads the next line, without its newline; `None` at the end of the stream.
///
/// # Errors
/// See [`LineError`].
pub fn read_line(stream: &mut impl BufRead) -> Result<Option<String>, LineError> {
    let mut bytes = Vec::new();
    stream.take(MAX_LINE as u64).read_until(b'\n', &mut bytes)?;
    match bytes.pop() {
        None => Ok(None),
        Some(b'\n') => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| LineError::NotText),
        Some(_) if bytes.len() + 1 == MAX_LINE => Err(LineError::TooLong),
        Some(_) => Err(LineError::Cut),
    }
}

/// Bytes of a stream that is read when it has some, given out line by line.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are known to hold no newline.
    searched: usize,
}

impl LineBuffer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its newline; `None` while there is none.
    ///
    /// # Errors
    /// [`LineError::TooLong`] or [`LineError::NotText`].
    pub fn next_line(&mut self) -> Result<Option<String>, LineError> {
        let Some(at) = self.bytes[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n')
        else {
            self.searched = self.bytes.len();
            return if self.bytes.len() >= MAX_LINE {
                Err(LineError::TooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + at;
        let rest = self.bytes.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.bytes, rest);
        self.searched = 0;
        line.pop();
        String::from_utf8(line)
            .map(Some)
            .map_err(|_| LineError::NotText)
    }

    /// Whether part of a line is waiting for its rest.
    pub fn is_partial(&self) -> bool {
        !self.bytes.is_empty()
    }
}
