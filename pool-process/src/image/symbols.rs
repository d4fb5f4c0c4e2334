//! What functions are called: looked up in the symbol table of the program's own file, when a task is lost.
//!
//! A function pointer has no name, and a table of names would be in every program for the sake of an error that
//! may never come. Where the file was stripped there is no name. Where the compiler has made one function of
//! two with the same code, the names of that code are given, as far as the file still has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use pool_core::backend::PerProcess;

use super::Image;

/// `SHT_SYMTAB` of `<elf.h>`.
const SYMBOLS: u32 = 2;
/// `STT_FUNC` of `<elf.h>`.
const FUNCTION: u8 = 2;
/// Bytes of one symbol in a 64-bit file.
const SYMBOL: usize = 24;
/// So much of the table is looked at in one go.
const PIECE: usize = SYMBOL * 4096;
/// So many names of the same code are told.
const MOST: usize = 3;
/// So much of a name is read.
const LONGEST: usize = 4096;

/// The name of the function that begins at an address of this program, as its author wrote it; a closure is
/// `a closure`, or the place in the program where it stands.
pub(crate) fn name(address: usize) -> Option<String> {
    static KNOWN: PerProcess<Mutex<BTreeMap<usize, Option<String>>>> = PerProcess::new();
    let mut known = KNOWN.get().lock().unwrap_or_else(PoisonError::into_inner);
    let name = known
        .entry(address)
        .or_insert_with(|| look_up(Image::own().address_in_file(address)?).ok()?);
    name.clone()
}

fn look_up(address: u64) -> io::Result<Option<String>> {
    // The program that runs, also where its file was replaced.
    let file = File::open("/proc/self/exe")?;
    let Some((symbols, strings)) = tables(&file)? else {
        return Ok(None);
    };
    let mut names: Vec<String> = Vec::new();
    let mut piece = vec![0; PIECE];
    let mut at = symbols.start;
    while at < symbols.end {
        let length = PIECE.min((symbols.end - at) as usize);
        file.read_exact_at(&mut piece[..length], at)?;
        for symbol in piece[..length].chunks_exact(SYMBOL) {
            if symbol[4] & 0xf == FUNCTION && u64_at(symbol, 8) == address {
                let name = plain(&text(&file, strings + u64::from(u32_at(symbol, 0)))?);
                if names.len() < MOST && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        at += length as u64;
    }
    Ok((!names.is_empty()).then(|| names.join(" or ")))
}

/// Where the table of symbols lies in the file, and where the names begin.
fn tables(file: &File) -> io::Result<Option<(std::ops::Range<u64>, u64)>> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0)?;
    if head[..5] != *b"\x7fELF\x02" {
        return Ok(None);
    }
    let section = |number: u64| -> io::Result<[u8; 64]> {
        let mut section = [0; 64];
        file.read_exact_at(&mut section, u64_at(&head, 40) + number * 64)?;
        Ok(section)
    };
    for number in 0..u64::from(u16_at(&head, 60)) {
        let table = section(number)?;
        if u32_at(&table, 4) == SYMBOLS {
            let start = u64_at(&table, 24);
            let names = section(u64::from(u32_at(&table, 40)))?;
            return Ok(Some((
                start..start + u64_at(&table, 32),
                u64_at(&names, 24),
            )));
        }
    }
    Ok(None)
}

/// The text at this place in the file, up to its zero.
fn text(file: &File, at: u64) -> io::Result<String> {
    let mut bytes = vec![0; LONGEST];
    let read = file.read_at(&mut bytes, at)?;
    let end = bytes[..read].iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(read));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A symbol as the program's text has it. A closure becomes a function by code of the standard library, which is
/// then what the symbol names.
fn plain(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let closure = match name.strip_prefix('<') {
        Some(rest) => rest
            .split_once(" as core::ops::function::Fn")
            .map(|(closure, _)| closure),
        None => name
            .starts_with("core::ops::function::Fn")
            .then_some("a closure"),
    };
    closure.map(str::to_owned).unwrap_or(name)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(part(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(part(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(part(bytes, at))
}

/// A few bytes of a record that has them.
fn part<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let part = record.get(at..).and_then(|rest| rest.first_chunk());
    part.copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::{name, plain};

    fn double(x: u8) -> u8 {
        2 * x
    }

    #[test]
    fn a_function_has_its_name_and_a_closure_is_one() {
        let of = |function: fn(u8) -> u8| name(function as usize).unwrap_or_default();
        assert_eq!(
            of(double),
            "pool_process::linux::image::symbols::tests::double"
        );
        assert!(of(|x| x.wrapping_mul(3)).contains("closure"));
        assert_eq!(name(double as fn(u8) -> u8 as usize + 1), None);
        assert_eq!(name(0), None);
    }

    #[test]
    fn symbols_of_both_kinds_are_read() {
        assert_eq!(
            plain("_ZN6thumbs6resize17h0123456789abcdefE"),
            "thumbs::resize"
        );
        assert_eq!(
            plain("_ZN4core3ops8function6FnOnce9call_once17h0123456789abcdefE"),
            "a closure"
        );
        assert_eq!(plain("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(
            plain(
                "_RNSNvYNCNvCs1234_7mycrate4main0INtNtNtCs5678_4core3ops8function6FnOnceTyEE9call_once6vtableCs1234_7mycrate"
            ),
            "mycrate::main::{closure#0}"
        );
    }
}
