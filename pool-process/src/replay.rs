//! A lost call in a file, and a process that runs it again in the place of `main`.
//!
//! The file has a line that says what it is, a hash of the program, the length of the context and one more, or 0 where there is none, the
//! context, and the task as a worker gets it. A task names its code by offsets in the program, so another program must not run it, not even
//! where it has code of some kind there.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::wire::token::TOKEN;
use crate::wire::{Kind, MAX_PAYLOAD, Reply};
use crate::worker::{contexts, run_task};

/// The variable that names the file.
pub(crate) const REPLAY: &str = "POOL_REPLAY";

const HEAD: &[u8] = b"pool-process call 1\n";

/// The first bytes of the file: what it is, and of which program.
///
/// # Errors
///
/// The program's file cannot be read.
pub(crate) fn head() -> io::Result<Vec<u8>> {
    let mut program = fs::File::open("/proc/self/exe")?;
    let (mut hasher, mut room) = (DefaultHasher::new(), vec![0; 64 << 10]);
    loop {
        match program.read(&mut room) {
            Ok(0) => break,
            Ok(count) => hasher.write(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok([HEAD, &hasher.finish().to_le_bytes()].concat())
}

/// The bytes behind them.
pub(crate) fn write(context: Option<&[u8]>, task: &[u8]) -> Vec<u8> {
    let length = context.map_or(0, |context| context.len() as u64 + 1);
    let context = context.unwrap_or_default();
    [&length.to_le_bytes(), context, task].concat()
}

/// The context and the task in what `write` has made.
fn read(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let Some(length) = u64::from_le_bytes(*length).checked_sub(1) else {
        return Some((None, rest));
    };
    let (context, task) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(context), task))
}

/// Runs the call in a file, on this thread; how it has ended, where it has.
///
/// # Errors
///
/// There is no call of this program.
pub(crate) fn run(path: &Path) -> Result<&'static str, String> {
    let refused = |error: io::Error| error.to_string();
    let mut file = fs::File::open(path).map_err(refused)?;
    let found = file.metadata().map_err(refused)?;
    if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err("others than the user of this process may have written it".to_owned());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(refused)?;
    if !bytes.starts_with(HEAD) {
        return Err("it is no call that was saved".to_owned());
    }
    let call = bytes.strip_prefix(&*head().map_err(refused)?);
    let call = call.ok_or("it is of another build of this program")?;
    let (context, task) = read(call).ok_or("it is no call that was saved")?;
    if let Some(context) = context {
        let number = task.get(TOKEN..).and_then(<[u8]>::first_chunk);
        let number = number.ok_or("it is too short")?;
        contexts::keep(u64::from_le_bytes(*number), context);
    }
    let mut reply = Reply::new(Vec::new(), 0, None, MAX_PAYLOAD);
    match run_task(task.into(), &mut reply) {
        Kind::Done => Ok("has returned"),
        Kind::Raised => Ok("has returned an error"),
        Kind::Panicked => Ok("has panicked"),
        Kind::BadResult => Ok("has returned what cannot be encoded"),
        _ => Err("its function is not there, or its argument cannot be decoded".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for context in [None, Some(&b""[..]), Some(&b"table"[..])] {
            assert_eq!(
                read(&write(context, b"task")),
                Some((context, &b"task"[..]))
            );
        }
        assert_eq!(read(b"1234567"), None);
        assert_eq!(read(&write(Some(b"long"), b"")[..10]), None);
    }
}
