//! Before `main`: a program that was started as a node takes its place here.
//!
//! # Safety
//!
//! The initialiser is called by the loader, once, with the arguments of `main`, after the C library and Rust's `std` are usable.
#![expect(unsafe_code, reason = "an initialiser that the loader calls")]

use std::ffi::{c_char, c_int};

use pool_process::remote::{Initialiser, initialise_behind};

use crate::node;

/// What the loader calls before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static HOOK: Initialiser = before_main;

extern "C" fn before_main(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    if let Some(plan) = node::Plan::take() {
        // SAFETY: these are the loader's own; the node never returns.
        unsafe { initialise_behind(before_main, argc, argv, envp) };
        node::serve(plan);
    }
}

/// Makes sure that the initialiser is linked.
pub(crate) fn link() {
    std::hint::black_box(&raw const HOOK);
}
