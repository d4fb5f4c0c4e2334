//! Before `main`: a process that was started as a worker takes its place here, so that programs write nothing.
//!
//! The program's own file is started again with a variable in its environment and a socket as its standard
//! input. An initialiser in `.init_array` looks for both, and where they are, `main` is never reached.
//!
//! # Safety
//!
//! The initialiser is called by the loader, once, with the arguments of `main`, after the C library and Rust's
//! `std` (which learns the arguments from an earlier initialiser) are usable. The ends of the array in which it
//! lies are filled in by the linker; where that knows no such array, both are zero.
#![expect(
    unsafe_code,
    reason = "an initialiser that the loader calls, and those that come after it"
)]

use std::ffi::{OsStr, OsString, c_char, c_int};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::{dup2_stdin, getppid};

use crate::environment::variables;
use crate::replay::{self, REPLAY};
use crate::server;
use crate::sys::Capabilities;
use crate::wire::role::{ROLE, Role};
use crate::wire::socket::Socket;
use crate::worker::{self, Exit};
use crate::{identity, sys};

/// What the loader calls before `main`, with its arguments and its environment.
pub type Initialiser = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// What the loader calls before `main`.
#[cfg(feature = "hook")]
#[used]
#[unsafe(link_section = ".init_array")]
static HOOK: Initialiser = before_main;

// The ends of that array. Weak: in shared libraries not every linker knows them.
std::arch::global_asm!(
    ".pushsection .data.rel.ro.pool_process, \"aw\"",
    ".balign 8",
    ".weak __init_array_start",
    ".hidden __init_array_start",
    ".weak __init_array_end",
    ".hidden __init_array_end",
    ".weak pool_process_init_array",
    ".hidden pool_process_init_array",
    "pool_process_init_array:",
    ".quad __init_array_start",
    ".quad __init_array_end",
    ".popsection",
);

unsafe extern "C" {
    static pool_process_init_array: [usize; 2];
}

impl Role {
    /// The role of this process, once: it is taken out of the environment. Where there is one that it cannot play, the
    /// process ends: whoever has started it wants anything but another run of `main`.
    fn take() -> Option<Role> {
        let order = variables::take(ROLE)?;
        let role = Role::of(&order.to_string_lossy());
        match role {
            Ok(role) => Some(role),
            Err(why) => end(&why),
        }
    }

    fn of(order: &str) -> Result<Role, String> {
        let mut words = order.split(' ');
        let name = words.next().unwrap_or_default();
        let role = [Role::Worker, Role::Server]
            .into_iter()
            .find(|role| name == role.name())
            .ok_or_else(|| format!("there is no role {name:?}"))?;
        // A pair of sockets says who has made it.
        let maker = getsockopt(&io::stdin(), PeerCredentials)
            .map_err(|error| format!("standard input is not its socket ({error})"))?;
        if maker.pid() != getppid().as_raw() {
            return Err(
                "standard input is not a socket of the process that has started it".to_owned(),
            );
        }
        if sys::is_privileged() {
            let why = "the system gives it more rights than who has started it, or a security module another label";
            if role == Role::Worker {
                worker::refuse(&stdin_socket().map_err(|error| error.to_string())?, why);
            }
            return Err(why.to_owned());
        }
        let sets: Option<Vec<u64>> = words.map(|set| u64::from_str_radix(set, 16).ok()).collect();
        match sets.as_deref() {
            Some([]) => Ok(role),
            Some([permitted, effective, inheritable, ambient]) => {
                let capabilities = Capabilities {
                    permitted: *permitted,
                    effective: *effective,
                    inheritable: *inheritable,
                    ambient: *ambient,
                };
                let refused = |error| format!("it cannot have its capabilities ({error})");
                capabilities.set().map_err(refused).map(|()| role)
            }
            _ => Err(format!("{order:?} is no role")),
        }
    }

    fn play(self) -> ! {
        let socket = match stdin_socket() {
            Ok(socket) => socket,
            Err(error) => end(&format!("its socket cannot be copied ({error})")),
        };
        match (self, enter()) {
            (Role::Worker, Ok(())) => worker::serve(&socket, Exit::Handlers),
            (Role::Server, Ok(())) => server::main_loop::serve(socket),
            (Role::Worker, Err(error)) => worker::refuse(&socket, &error.to_string()),
            (Role::Server, Err(error)) => end(&error.to_string()),
        }
    }
}

/// Ends a process that was started in a role, and cannot play it.
fn end(why: &str) -> ! {
    // Not `eprintln`, which panics where nobody reads stderr.
    let _ = writeln!(
        io::stderr(),
        "pool-process: {ROLE} is set, but this process cannot be a worker or fork server of a pool: {why}. Programs that are \
         started by hand must not have it in their environment"
    );
    sys::exit_now(1)
}

fn stdin_socket() -> io::Result<Socket> {
    // The copy is none of the standard streams.
    Ok(Socket::from_fd(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Whether a worker of this program takes its place before it has run anything of the program's own.
pub(crate) fn is_there() -> bool {
    // To name it makes sure that it is linked.
    #[cfg(feature = "hook")]
    std::hint::black_box(&raw const HOOK);
    cfg!(feature = "hook") || CALLED.load(Ordering::Acquire)
}

/// `init` was called.
static CALLED: AtomicBool = AtomicBool::new(false);

/// Takes the place of `main` in a process that was started as a worker; returns at once in any other.
///
/// Programs need not call it: the same is done before `main`. It is for those who turn the crate's feature
/// `hook` off, and must then be the first statement of `main`.
pub fn init() {
    CALLED.store(true, Ordering::Release);
    identity::note_filters();
    if let Some(role) = Role::take() {
        role.play();
    }
    if let Some(path) = lost_call() {
        replay_and_exit(&path);
    }
}

/// The file of a lost call that this process is to run in the place of `main`. A process with more rights than who has started it
/// runs none.
fn lost_call() -> Option<OsString> {
    variables::take(REPLAY).filter(|_| !sys::is_privileged())
}

fn replay_and_exit(path: &OsStr) -> ! {
    let shown = path.to_string_lossy();
    let (what, code) = match replay::run(path.as_ref()) {
        Ok(end) => (format!("the call in {shown} {end}"), 0),
        Err(why) => (format!("the call in {shown} cannot be run again: {why}"), 1),
    };
    // Not `eprintln`, which panics where nobody reads stderr.
    let _ = writeln!(io::stderr(), "pool-process: {what}");
    std::process::exit(code)
}

#[cfg(feature = "hook")]
extern "C" fn before_main(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    identity::note_filters();
    if let Some(role) = Role::take() {
        sys::close_inherited();
        // SAFETY: these are the loader's own, and whoever is called here does not return.
        unsafe { initialise_behind(before_main, argc, argv, envp) };
        role.play();
    }
    if let Some(path) = lost_call() {
        // SAFETY: as above.
        unsafe { initialise_behind(before_main, argc, argv, envp) };
        replay_and_exit(&path);
    }
}

/// Calls the initialisers that were linked behind this one, which takes the place of `main`: nobody else will.
///
/// # Safety
///
/// To be called once, by the initialiser itself, with what the loader has called it with; it must not return.
#[cfg(feature = "hook")]
pub unsafe fn initialise_behind(
    initialiser: Initialiser,
    argc: c_int,
    argv: *const *const c_char,
    envp: *const *const c_char,
) {
    // SAFETY: filled in by the linker and never written.
    let [start, end] = unsafe { pool_process_init_array };
    let count = end.saturating_sub(start) / size_of::<Option<Initialiser>>();
    let first = std::ptr::with_exposed_provenance::<Option<Initialiser>>(start);
    let behind = (0..count)
        // SAFETY: within the array, whose entries are pointers to functions, or null.
        .filter_map(|index| unsafe { *first.add(index) })
        .skip_while(|entry| !std::ptr::fn_addr_eq(*entry, initialiser))
        .skip(1);
    for next in behind {
        next(argc, argv, envp);
    }
}

/// From a process that has just begun to one that can be a worker.
fn enter() -> io::Result<()> {
    sys::fill_standard()?;
    dup2_stdin(sys::null()?)?;
    // SAFETY: to ignore a signal calls no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn)? };
    // Inherited as ignored, it would hide how the processes end that tasks start.
    // SAFETY: the default action calls no handler.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl)? };
    Ok(())
}
