//! Which program this is: a hash of its file. Functions travel as offsets in it, so both sides must have the same.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

/// The hash of the program's file, as so many hexadecimal digits as make two programs differ. Copies of a file have the same.
///
/// # Errors
///
/// The file cannot be read.
pub(crate) fn id() -> io::Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open("/proc/self/exe")?)?;
    let hash = hasher.finalize().to_hex();
    Ok(ID.get_or_init(|| hash[..DIGITS].to_owned()))
}

const DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_has_one_id() {
        let id = super::id().expect("its file can be read");
        assert_eq!(
            (id.len(), id),
            (super::DIGITS, super::id().expect("as before"))
        );
    }
}
