//! A shared library for programs that are not this one: they cannot have pools of processes, and are told so.
//!
//! `python3 -c "import ctypes; print(ctypes.CDLL('libloaded.so').refuses())"`

use std::ffi::CString;

use pool_process::{Process, ProcessPool, StartError};

/// Writes why no pool can be made here, ended by a zero, if there is so much room; returns the length, or -1 where
/// there is nothing wrong.
///
/// # Safety
///
/// There must be `room` bytes at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn why_not(text: *mut u8, room: usize) -> isize {
    let pool = match ProcessPool::new(1) {
        Err(StartError::Impossible { reason }) => reason,
        other => format!("{other:?}"),
    };
    let process = match Process::new(|()| (), ()).start() {
        Err(error) => error.to_string(),
        Ok(()) => return -1,
    };
    let said = CString::new(format!("{pool}\n{process}")).unwrap_or_default();
    let said = said.as_bytes_with_nul();
    if said.len() <= room {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(said.as_ptr(), text, said.len()) };
    }
    said.len().cast_signed()
}
