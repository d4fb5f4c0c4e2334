//! Frames: how messages lie on a byte stream, and a reader that trusts none of its bytes.
//!
//! A frame is a head of 24 bytes (magic, version, kind, two zero bytes, request, length, all little-endian)
//! and `length` bytes of payload. Whatever does not look like that is a [`Breach`]: the stream cannot be
//! trusted any more and whoever writes it is stopped.

use std::io::{self, Read};

use pool_core::CodecError;

/// Bytes of a head.
pub(crate) const HEAD: usize = 24;
/// What a payload may have at most, unless a pool says otherwise: 1 GiB.
pub(crate) const MAX_PAYLOAD: u64 = 1 << 30;

const MAGIC: u32 = 0x6c6f_6f70;
const VERSION: u8 = 1;
/// Room for a read, at least. Small, since every idle worker has one; what is large doubles it.
const CHUNK: usize = 8 * 1024;
/// What is kept of a buffer that had to grow: room for a message of 1 MiB and what is around it.
pub(crate) const KEEP: usize = 2 * 1024 * 1024;

/// What a frame says. Requests come from the pool, the rest from a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first frame: the worker's setup and its environment.
    Setup = 1,
    /// Run this task.
    Task = 2,
    /// Keep this context under the request's number: tasks will use it.
    Context = 3,
    /// Drop the context with this number.
    Forget = 4,
    /// There is no more work: end normally.
    Leave = 5,
    /// The worker sleeps beside work that lies in its ring: look.
    Wake = 6,
    /// As `Context`; its bytes are the file that comes along.
    SharedContext = 7,
    /// The worker can be given work.
    Ready = 16,
    /// The task is about to be decoded and run: from here on it counts as started.
    Started = 17,
    /// The task's value.
    Done = 18,
    /// The task's own error.
    Raised = 19,
    /// The task panicked.
    Panicked = 20,
    /// The argument could not be decoded.
    BadArgument = 21,
    /// The value or the error could not be encoded.
    BadResult = 22,
    /// The setup or the environment could not be applied; the worker exits.
    Unfit = 23,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Setup,
        Kind::Task,
        Kind::Context,
        Kind::Forget,
        Kind::Leave,
        Kind::Wake,
        Kind::SharedContext,
        Kind::Ready,
        Kind::Started,
        Kind::Done,
        Kind::Raised,
        Kind::Panicked,
        Kind::BadArgument,
        Kind::BadResult,
        Kind::Unfit,
    ];

    pub(crate) fn of(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether it is how a task ends.
    pub(crate) fn is_answer(self) -> bool {
        matches!(
            self,
            Kind::Done | Kind::Raised | Kind::Panicked | Kind::BadArgument | Kind::BadResult
        )
    }
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// Which request it is, or answers.
    pub(crate) request: u64,
    pub(crate) payload: &'a [u8],
}

/// What a stream said that no frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("a frame begins with {0:#010x}")]
    Magic(u32),
    #[error("a frame of version {0}")]
    Version(u8),
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    #[error("bytes that must be zero are not")]
    Reserved,
    #[error("a payload of {length} bytes where {max} are allowed")]
    TooLong { length: u64, max: u64 },
}

/// Refuses a payload that is longer than a message may be.
pub(crate) fn fits(what: &str, length: usize, max: u64) -> Result<(), CodecError> {
    if length as u64 <= max {
        return Ok(());
    }
    let reason = format!("{length} bytes are more than the {max} that a message may have");
    Err(CodecError::new(what, reason))
}

/// Appends a frame whose payload `fill` appends; what `fill` refuses leaves the buffer as it was.
pub(crate) fn write<E>(
    out: &mut Vec<u8>,
    kind: Kind,
    request: u64,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.resize(start + HEAD, 0);
    if let Err(refused) = fill(out) {
        out.truncate(start);
        return Err(refused);
    }
    seal(&mut out[start..], kind, request);
    Ok(())
}

/// Writes the head of a frame into its first [`HEAD`] bytes; all that follows is its payload.
pub(crate) fn seal(frame: &mut [u8], kind: Kind, request: u64) {
    let length = (frame.len() - HEAD) as u64;
    frame[..4].copy_from_slice(&MAGIC.to_le_bytes());
    frame[4] = VERSION;
    frame[5] = kind as u8;
    frame[6..8].fill(0);
    frame[8..16].copy_from_slice(&request.to_le_bytes());
    frame[16..24].copy_from_slice(&length.to_le_bytes());
}

/// Collects bytes and cuts them into frames.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Bytes `start..end` were read and not yet given out; what lies behind is room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    max: u64,
}

impl Reader {
    /// A reader that refuses payloads longer than `max`.
    pub(crate) fn new(max: u64) -> Self {
        Reader {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            max,
        }
    }

    /// Refuses longer payloads from now on.
    pub(crate) fn set_max(&mut self, max: u64) {
        self.max = max;
    }

    /// Reads once; 0 is the end of the stream.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let read = stream.read(&mut self.buffer[self.end..])?;
        self.end += read.min(self.buffer.len() - self.end);
        Ok(read)
    }

    /// The next whole frame, if it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Breach> {
        let Some((kind, request, length)) = self.head()? else {
            return Ok(None);
        };
        let from = self.start + HEAD;
        if self.end - from < length {
            return Ok(None);
        }
        self.start = from + length;
        Ok(Some(Frame {
            kind,
            request,
            payload: &self.buffer[from..from + length],
        }))
    }

    /// The head of the frame that comes next.
    fn head(&self) -> Result<Option<(Kind, u64, usize)>, Breach> {
        let Some(head) = self.buffer[self.start..self.end].first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [m0, m1, m2, m3, version, kind, zero0, zero1, rest @ ..] = *head;
        let magic = u32::from_le_bytes([m0, m1, m2, m3]);
        if magic != MAGIC {
            return Err(Breach::Magic(magic));
        }
        if version != VERSION {
            return Err(Breach::Version(version));
        }
        let known = Kind::of(kind).ok_or(Breach::Kind(kind))?;
        if (zero0, zero1) != (0, 0) {
            return Err(Breach::Reserved);
        }
        let rest = u128::from_le_bytes(rest);
        let (request, length) = (rest as u64, (rest >> 64) as u64);
        let too_long = Breach::TooLong {
            length,
            max: self.max,
        };
        match usize::try_from(length) {
            Ok(fits) if length <= self.max => Ok(Some((known, request, fits))),
            _ => Err(too_long),
        }
    }

    /// Makes room behind the bytes that wait. It grows with what has really come, not with what a head promises, and no further than to
    /// the end of the frame.
    fn make_room(&mut self) {
        let waiting = self.end - self.start;
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, waiting);
        }
        if waiting == 0 && self.buffer.len() > KEEP {
            self.buffer.truncate(KEEP);
            self.buffer.shrink_to_fit();
        }
        // A breach is told by `next`, and so is a frame that is whole.
        let missing = match self.head() {
            Ok(Some((_, _, length))) if HEAD + length > self.end => HEAD + length - self.end,
            _ => CHUNK,
        };
        if self.buffer.len() - self.end < missing.min(CHUNK) {
            let room = missing.min(CHUNK.max(self.end));
            self.buffer
                .reserve_exact(self.end + room - self.buffer.len());
            self.buffer.resize(self.end + room, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::{Breach, HEAD, Kind, MAX_PAYLOAD, Reader, write};

    fn frame(kind: Kind, request: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(()) = write(&mut out, kind, request, |out| {
            out.extend_from_slice(payload);
            Ok::<_, Infallible>(())
        });
        out
    }

    type Owned = (Kind, u64, Vec<u8>);

    /// Reads a stream that comes in pieces, up to its end or its first breach.
    fn read_all(pieces: &[&[u8]], max: u64) -> (Vec<Owned>, Option<Breach>) {
        let mut reader = Reader::new(max);
        let mut seen = Vec::new();
        for piece in pieces {
            let mut stream = *piece;
            while !stream.is_empty() {
                reader.fill(&mut stream).expect("slices can be read");
                loop {
                    match reader.next() {
                        Ok(Some(frame)) => {
                            seen.push((frame.kind, frame.request, frame.payload.to_vec()))
                        }
                        Ok(None) => break,
                        Err(breach) => return (seen, Some(breach)),
                    }
                }
            }
        }
        (seen, None)
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        proptest::sample::select(&Kind::ALL[..])
    }

    proptest! {
        #[test]
        fn frames_come_back_as_they_were_wherever_the_stream_is_cut(
            frames in proptest::collection::vec((kinds(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, request, payload)| frame(*kind, *request, payload)).collect();
            let (front, back) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(read_all(&[front, back], MAX_PAYLOAD), (frames, None));
        }

        #[test]
        fn arbitrary_bytes_are_frames_or_a_breach_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_all(&[&bytes], 1_000);
        }

        #[test]
        fn a_frame_with_one_byte_changed_never_panics(
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let mut bytes = frame(Kind::Done, 7, &payload);
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = read_all(&[&bytes], 1_000);
        }
    }

    #[test]
    fn a_payload_longer_than_allowed_is_refused_by_its_head_alone() {
        let bytes = frame(Kind::Task, 1, &[0; 11]);
        let breach = Breach::TooLong {
            length: 11,
            max: 10,
        };
        assert_eq!(read_all(&[&bytes[..HEAD]], 10), (Vec::new(), Some(breach)));
    }

    #[test]
    fn a_head_that_promises_much_does_not_take_the_memory_for_it() {
        let mut bytes = frame(Kind::Task, 1, &[]);
        bytes[16..24].copy_from_slice(&MAX_PAYLOAD.to_le_bytes());
        let mut reader = Reader::new(MAX_PAYLOAD);
        reader.fill(&mut &bytes[..]).expect("slices can be read");
        assert_eq!(reader.next(), Ok(None));
        reader.make_room();
        assert!(reader.buffer.len() < 1024 * 1024);
    }

    #[test]
    fn what_is_not_a_frame_is_named() {
        let check = |at: usize, to: u8, breach: Breach| {
            let mut bytes = frame(Kind::Ready, 0, &[]);
            bytes[at] = to;
            assert_eq!(read_all(&[&bytes], 10), (Vec::new(), Some(breach)));
        };
        check(0, 0, Breach::Magic(0x6c6f_6f00));
        check(4, 9, Breach::Version(9));
        check(5, 99, Breach::Kind(99));
        check(7, 1, Breach::Reserved);
    }

    #[test]
    fn a_refused_payload_leaves_nothing_behind() {
        let mut out = vec![1, 2, 3];
        let refused = write(&mut out, Kind::Task, 1, |out| {
            out.push(9);
            Err("no")
        });
        assert_eq!((refused, out), (Err("no"), vec![1, 2, 3]));
    }
}
