//! Which function: offsets in the program's own image, checked before anything is called.
//!
//! A worker runs the very image its parent runs, loaded elsewhere. So a task names its two pieces of code by
//! their distance from a base symbol: an [`Entry`], the monomorphised code that decodes, calls and encodes,
//! and the user's function that it is to call. The sender refuses what does not lie in its image (a function
//! of a shared library); the receiver checks segment, alignment and magic and refuses what it does not know.
//!
//! # Safety
//!
//! `Entry` is only made by [`entry_points`](crate::worker::entry_points), whose code fits the function it is paired with; a
//! [`Token`] is made from such a pair, and arrives from a parent that runs the same image, which is what
//! makes an offset mean the same there. The checks turn a parent that does not keep to this into an error.
#![expect(unsafe_code, reason = "offsets become code again")]

use crate::image::Image;

use super::frame::Kind;
use super::payload::{Payload, Reply};

const MAGIC: [u64; 2] = [0x9e6c_63d0_876a_68ee, 0x5851_f42d_4c95_7f2d];

/// Bytes of a [`Token`] on the wire.
pub(crate) const TOKEN: usize = 16;

/// Decodes an argument, calls the function at an address with it, appends what comes of it to the reply.
///
/// # Safety
///
/// The address must be that of a function of the type the code was made for.
pub(crate) type Run =
    unsafe fn(address: usize, argument: Payload<'_>, reply: &mut Reply<'_>) -> Kind;

/// One kind of task: its code, as a static of the image.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Entry {
    magic: [u64; 2],
    run: Run,
}

impl Entry {
    /// # Safety
    ///
    /// The code must keep what [`Run`] says.
    pub(crate) const unsafe fn new(run: Run) -> Entry {
        Entry { magic: MAGIC, run }
    }
}

/// An entry and a function, as they travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    entry: u64,
    function: u64,
}

/// An entry and a function that were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callable {
    entry: &'static Entry,
    address: usize,
}

/// Why code cannot be named, or a name is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "the function lies in a shared library: only the program's own functions can travel to its workers"
    )]
    Elsewhere,
    #[error("no task of this program lies at offset {0:#x}")]
    NoEntry(u64),
    #[error("no function of this program lies at offset {0:#x}")]
    NoFunction(u64),
}

impl Token {
    /// Names an entry and a function of this process.
    pub(crate) fn of(entry: &'static Entry, address: usize) -> Result<Token, Refused> {
        let image = Image::own();
        let entry = std::ptr::from_ref(entry).addr();
        if !image.is_data(entry, size_of::<Entry>()) || !image.is_code(address) {
            return Err(Refused::Elsewhere);
        }
        Ok(Token {
            entry: image.distance(entry),
            function: image.distance(address),
        })
    }

    /// Finds what a token names, having checked everything that can be.
    pub(crate) fn resolve(self) -> Result<Callable, Refused> {
        let image = Image::own();
        let address = image.address(self.function);
        if !image.is_code(address) {
            return Err(Refused::NoFunction(self.function));
        }
        let entry = image.address(self.entry);
        if !image.is_data(entry, size_of::<Entry>()) || !entry.is_multiple_of(align_of::<Entry>()) {
            return Err(Refused::NoEntry(self.entry));
        }
        let entry = std::ptr::with_exposed_provenance::<Entry>(entry);
        // SAFETY: aligned, and whole within a readable segment of the image that is never unloaded; two
        // integers are valid whatever is there.
        let magic = unsafe { (*entry).magic };
        if magic != MAGIC {
            return Err(Refused::NoEntry(self.entry));
        }
        // SAFETY: only `Entry::new` writes this magic, so an entry lies here, for ever.
        let entry = unsafe { &*entry };
        Ok(Callable { entry, address })
    }

    pub(crate) fn to_bytes(self) -> [u8; TOKEN] {
        (u128::from(self.function) << 64 | u128::from(self.entry)).to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; TOKEN]) -> Token {
        let both = u128::from_le_bytes(bytes);
        Token {
            entry: both as u64,
            function: (both >> 64) as u64,
        }
    }
}

impl Callable {
    /// Decodes, calls, encodes.
    pub(crate) fn run(self, argument: Payload<'_>, reply: &mut Reply<'_>) -> Kind {
        // SAFETY: the token was made of an entry and a function that fit, by the same image.
        unsafe { (self.entry.run)(self.address, argument, reply) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, Refused, Token};
    use crate::wire::{Kind, Payload, Reply};

    fn double(x: u8) -> u8 {
        2 * x
    }

    unsafe fn run(address: usize, argument: Payload<'_>, reply: &mut Reply<'_>) -> Kind {
        // SAFETY: the tests pair this code with `double` alone.
        let function = unsafe { std::mem::transmute::<usize, fn(u8) -> u8>(address) };
        let doubled = argument.head.iter().map(|byte| function(*byte));
        reply.bytes.extend(doubled);
        Kind::Done
    }

    // SAFETY: see `run`.
    static ENTRY: Entry = unsafe { Entry::new(run) };

    fn token() -> Token {
        Token::of(&ENTRY, double as fn(u8) -> u8 as usize).expect("both lie in this image")
    }

    #[test]
    fn a_token_finds_its_function_again() {
        let callable = Token::from_bytes(token().to_bytes())
            .resolve()
            .expect("it is ours");
        let mut reply = Reply::new(Vec::new(), 1, None, 100);
        assert_eq!(callable.run([1, 4][..].into(), &mut reply), Kind::Done);
        assert_eq!(reply.bytes, [0, 2, 8]);
    }

    #[test]
    fn a_function_of_a_shared_library_is_refused() {
        let foreign = nix::libc::getpid as *const () as usize;
        assert_eq!(Token::of(&ENTRY, foreign), Err(Refused::Elsewhere));
    }

    #[test]
    fn code_is_not_an_entry_and_data_is_not_a_function() {
        let Token { entry, function } = token();
        let swapped = |entry, function| Token { entry, function }.resolve().err();
        assert_eq!(swapped(entry, entry), Some(Refused::NoFunction(entry)));
        assert_eq!(
            swapped(function, function),
            Some(Refused::NoEntry(function))
        );
        assert_eq!(
            swapped(entry + 8, function),
            Some(Refused::NoEntry(entry + 8))
        );
        assert_eq!(
            swapped(entry + 16, function),
            Some(Refused::NoEntry(entry + 16))
        );
        assert_eq!(swapped(0, function), Some(Refused::NoEntry(0)));
    }

    proptest! {
        #[test]
        fn arbitrary_tokens_are_refused_or_are_ours(bytes in any::<[u8; 16]>()) {
            prop_assert!(Token::from_bytes(bytes).resolve().is_err());
        }

        #[test]
        fn offsets_near_ours_never_crash(entry in -4096i64..4096, function in -4096i64..4096) {
            let Token { entry: e, function: f } = token();
            let _ = Token { entry: e.wrapping_add_signed(entry), function: f.wrapping_add_signed(function) }.resolve();
        }
    }
}
