//! The environment of a worker: directory, variables, limits, masks. A worker has those of the moment at which its pool was made, and
//! nothing that `main` has set up. Each test runs in a process of its own, since it changes what all threads of a process share.

mod common;

use std::fs;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use common::{Outcome, apart, each_way, loss, pid, signal_of};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use pool_process::{Pool, Process, ProcessPool, StartError};

fn directory(_: ()) -> PathBuf {
    std::env::current_dir().expect("a directory")
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

/// The environment is changed in processes that have one thread at that moment.
fn set(name: &str, value: Option<&str>) {
    // SAFETY: see above: no pool of these tests was made yet, or its threads read no environment.
    unsafe {
        match value {
            Some(value) => std::env::set_var(name, value),
            None => std::env::remove_var(name),
        }
    }
}

#[test]
fn directory_and_environment_are_those_of_the_pools_beginning() -> Outcome {
    apart(|()| {
        // The first pool starts the fork server, which is then older than the others.
        let first = ProcessPool::new(1).expect("a pool");
        let start = directory(());
        std::env::set_current_dir("/proc").expect("there");
        set("POOL_TEST_NEW", Some("new"));
        set("PATH", None);
        each_way(1, |pool| {
            std::env::set_current_dir("/").expect("there");
            set("POOL_TEST_NEW", Some("newer"));
            for _ in 0..2 {
                assert_eq!(pool.apply(directory, ())?, PathBuf::from("/proc"));
                assert_eq!(
                    pool.apply(variable, "POOL_TEST_NEW".to_owned())?.as_deref(),
                    Some("new")
                );
                assert_eq!(pool.apply(variable, "PATH".to_owned())?, None);
                // The replacement is started now, and is like the first.
                loss(
                    pool.apply(|()| std::process::abort(), ())
                        .map(|never: ()| never),
                );
            }
            std::env::set_current_dir("/proc").expect("there");
            set("POOL_TEST_NEW", Some("new"));
            Ok(())
        })
        .expect("as it was");
        assert_eq!(first.apply(directory, ()).expect("it lives"), start);
        assert_eq!(
            first
                .apply(variable, "POOL_TEST_NEW".to_owned())
                .expect("it lives"),
            None
        );
    })
}

/// What a worker says of mask, limit, CPUs and blocked signals.
fn limits(_: ()) -> (u32, u64, usize, bool) {
    let mode = umask(Mode::empty());
    umask(mode);
    let (files, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let cpus = sched_getaffinity(Pid::from_raw(0)).expect("CPUs");
    let cpus = (0..CpuSet::count())
        .filter(|cpu| cpus.is_set(*cpu) == Ok(true))
        .count();
    let mask = SigSet::thread_get_mask().expect("a mask");
    (mode.bits(), files, cpus, mask.contains(Signal::SIGUSR1))
}

#[test]
fn masks_limits_and_cpus_are_those_of_the_pools_beginning() -> Outcome {
    apart(|()| {
        let first = ProcessPool::new(1).expect("a pool");
        let before = limits(());
        umask(Mode::from_bits_truncate(0o027));
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, 123, hard).expect("lower is allowed");
        let mut one = CpuSet::new();
        one.set(0).expect("a CPU");
        sched_setaffinity(Pid::from_raw(0), &one).expect("CPU 0 is there");
        let usr1: SigSet = [Signal::SIGUSR1].into_iter().collect();
        usr1.thread_block().expect("it can be blocked");
        each_way(1, |pool| {
            assert_eq!(pool.apply(limits, ())?, (0o027, 123, 1, true));
            Ok(())
        })
        .expect("as it was");
        assert_eq!(first.apply(limits, ()).expect("it lives"), before);
    })
}

#[test]
fn a_worker_listens_to_sigterm_also_where_the_program_waits_for_it() -> Outcome {
    apart(|()| {
        let both: SigSet = [Signal::SIGTERM, Signal::SIGUSR1].into_iter().collect();
        both.thread_block().expect("they can be blocked");
        let blocked = |()| {
            let mask = SigSet::thread_get_mask().expect("a mask");
            [Signal::SIGTERM, Signal::SIGUSR1].map(|signal| mask.contains(signal))
        };
        each_way(1, |pool| {
            assert_eq!(pool.apply(blocked, ())?, [false, true]);
            Ok(())
        })
        .expect("SIGTERM is not blocked, and all else is as here");
    })
}

/// Goes to a directory of root's own, and becomes nobody, who may not enter it.
fn be_a_guest(home: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).expect("it is ours");
    std::env::set_current_dir(home).expect("there");
    common::become_nobody();
}

#[test]
fn a_directory_that_may_not_be_entered_is_inherited() -> Outcome {
    if !common::is_root("a directory that may not be entered") {
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let check = |home: PathBuf| {
        let here = |()| fs::read_link("/proc/self/cwd").expect("/proc");
        // While it may be entered there is a server that sits elsewhere.
        drop(ProcessPool::new(1).expect("a pool"));
        be_a_guest(&home);
        assert!(std::env::set_current_dir(".").is_err(), "it may not");
        common::every_way(1, |pool| {
            assert_eq!(pool.apply(here, ())?, home);
            loss(pool.apply(|()| -> () { std::process::abort() }, ()));
            assert_eq!(pool.apply(here, ())?, home);
            Ok(())
        })
        .expect("workers");
        let check = |home: PathBuf| {
            assert_eq!(fs::read_link("/proc/self/cwd").expect("/proc"), home);
        };
        let process = Process::new(check, home.clone());
        process.start().expect("a process");
        process.join().expect("it ends");
        assert_eq!(process.exitcode().ok(), Some(Some(0)));
        let pools = [
            ProcessPool::new(1).expect("a pool"),
            ProcessPool::builder()
                .size(1)
                .reexec()
                .build()
                .expect("a pool"),
        ];
        // Elsewhere, a server that is in that directory can still start workers there, and nobody else can.
        std::env::set_current_dir("/").expect("everybody may");
        loss(pools[0].apply(|()| -> () { std::process::abort() }, ()));
        assert_eq!(pools[0].apply(here, ()).expect("a worker"), home);
        loss(pools[1].apply(|()| -> () { std::process::abort() }, ()));
        let refused = pools[1].apply(here, ()).expect_err("no worker").to_string();
        assert!(
            refused.contains("since its pool was made (working directory)"),
            "{refused}"
        );
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(here, ()).expect("a worker"), PathBuf::from("/"));
    };
    common::apart_with(check, home.path().to_owned())
}

/// The environment as C has it, where a name can stand twice.
fn set_environment(variables: &[&'static std::ffi::CStr]) {
    unsafe extern "C" {
        static mut environ: *const *const std::ffi::c_char;
    }
    let mut list: Vec<_> = variables.iter().map(|text| text.as_ptr()).collect();
    list.push(std::ptr::null());
    // SAFETY: texts that live for ever, and a list of them that does; this process has one thread.
    unsafe { environ = list.leak().as_ptr() };
}

#[test]
fn a_variable_that_stands_twice_arrives_as_the_program_finds_it() -> Outcome {
    apart(|()| {
        set_environment(&[c"TWICE=first", c"ONCE=only", c"TWICE=second", c"=odd=name"]);
        let seen = |()| {
            let all = std::env::vars_os().filter(|(name, _)| name == "TWICE" || name == "ONCE");
            (std::env::var("TWICE").expect("it is there"), all.count())
        };
        assert_eq!(seen(()).0, "first");
        each_way(1, |pool| {
            assert_eq!(pool.apply(seen, ())?, ("first".to_owned(), 2));
            Ok(())
        })
        .expect("workers");
    })
}

/// What every way to start a worker is refused with, in one line each.
fn refusals() -> [String; 3] {
    [
        ProcessPool::new(1).expect_err("not possible").to_string(),
        ProcessPool::builder()
            .size(1)
            .reexec()
            .build()
            .expect_err("not possible")
            .to_string(),
        Process::new(|()| (), ())
            .start()
            .expect_err("not possible")
            .to_string(),
    ]
}

#[test]
fn without_a_way_to_watch_processes_they_are_refused_and_told_why() -> Outcome {
    apart(|()| {
        common::forget_call(nix::libc::SYS_pidfd_open);
        for said in refusals() {
            assert!(said.contains("pidfd_open"), "{said}");
            assert!(said.contains("Linux 5.3"), "{said}");
        }
    })
}

#[test]
fn what_the_system_refuses_a_pool_is_named() -> Outcome {
    use nix::libc;
    let check = |(call, what): (i64, String)| {
        common::forget_call(call);
        for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
            let said = builder.size(1).build().expect_err("not possible");
            assert!(said.to_string().contains(&what), "{said}");
        }
    };
    for (call, what) in [
        (libc::SYS_socketpair, "a pair of sockets cannot be made"),
        (libc::SYS_pipe2, "a pipe for the worker cannot be made"),
        (libc::SYS_eventfd2, "an event descriptor cannot be made"),
        (
            libc::SYS_timerfd_create,
            "a timer descriptor cannot be made",
        ),
    ] {
        common::apart_with(check, (call, what.to_owned()))?;
    }
    // Only a server needs this one.
    apart(|()| {
        common::forget_call(libc::SYS_signalfd4);
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u8| x, 1).expect("a worker"), 1);
        let reason = pool.stats().start_reason;
        assert!(
            reason.starts_with("the fork server cannot be started: it does not begin"),
            "{reason}"
        );
    })
}

#[test]
fn without_a_null_device_they_are_refused_and_told_why() -> Outcome {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    if !common::is_root("no /dev/null") {
        return Ok(());
    }
    apart(|()| {
        let none = None::<&str>;
        unshare(CloneFlags::CLONE_NEWNS).expect("root may");
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        mount(none, "/dev", Some("tmpfs"), MsFlags::empty(), none).expect("empty");
        for said in refusals() {
            assert!(
                said.contains("/dev/null cannot be opened: No such file"),
                "{said}"
            );
        }
    })
}

#[test]
fn output_goes_where_it_went_at_the_pools_beginning() -> Outcome {
    apart(|()| {
        let mut file = tempfile::tempfile().expect("a file");
        nix::unistd::dup2_stdout(file.as_fd()).expect("stdout");
        let print = |text: String| {
            println!("{text}");
            eprintln!("(to stderr) {text}");
        };
        each_way(1, |pool| {
            let null = fs::File::options().write(true).open("/dev/null")?;
            nix::unistd::dup2_stdout(null)?;
            pool.apply(print, "hello".to_owned())?;
            nix::unistd::dup2_stdout(file.as_fd())?;
            Ok(())
        })
        .expect("they print");
        let mut printed = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut printed).expect("a file");
        assert_eq!(printed, "hello\n".repeat(3));
    })
}

#[test]
fn standard_input_is_empty() -> Outcome {
    each_way(1, |pool| {
        let read =
            |()| std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string());
        assert_eq!(pool.apply(read, ())?, Ok(String::new()));
        Ok(())
    })
}

#[test]
fn a_worker_has_no_descriptors_of_the_pools_process() -> Outcome {
    // Not marked to be closed on exec, as C libraries open them.
    let leaky = nix::unistd::dup(fs::File::open("/proc/self/status")?)?;
    nix::fcntl::fcntl(
        &leaky,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )?;
    each_way(2, |pool| {
        let open = |()| {
            let open = fs::read_dir("/proc/self/fd").expect("there").flatten();
            let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
            targets
                .map(|target| target.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        let open: Vec<String> = pool.apply(open, ())?;
        assert!(
            !open.iter().any(|target| target.contains("status")),
            "{open:?}"
        );
        let sockets = open
            .iter()
            .filter(|target| target.starts_with("socket"))
            .count();
        assert!(
            sockets <= 1 + usize::from(open[1].starts_with("socket")) * 2,
            "only its own: {open:?}"
        );
        Ok(())
    })
}

static MADE: OnceLock<&str> = OnceLock::new();

fn made(_: ()) -> Option<String> {
    MADE.get().map(|made| (*made).to_owned())
}

#[test]
fn what_main_has_made_is_not_there_but_what_is_preloaded_is() -> Outcome {
    MADE.get_or_init(|| "by main");
    each_way(1, |pool| {
        assert_eq!(pool.apply(made, ())?, None);
        Ok(())
    })?;
    fn preload() {
        MADE.get_or_init(|| "by the preload");
    }
    let pool = ProcessPool::builder().size(2).preload(preload).build()?;
    for _ in 0..3 {
        assert_eq!(pool.apply(made, ())?.as_deref(), Some("by the preload"));
        loss(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never),
        );
    }
    Ok(())
}

#[test]
fn a_preload_that_panics_or_leaves_a_thread_has_its_pool_re_executed() -> Outcome {
    for preload in [
        || panic!("meant to"),
        || drop(std::thread::spawn(std::thread::park)),
    ] {
        let pool = ProcessPool::builder().size(1).preload(preload).build()?;
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        let stats = pool.stats();
        assert_eq!(stats.start_method, pool_process::StartMethod::Reexec);
        assert!(
            stats.start_reason.contains("panicked") || stats.start_reason.contains("2 threads"),
            "{stats:?}"
        );
    }
    Ok(())
}

#[test]
fn a_raw_fork_has_it_all() -> Outcome {
    MADE.get_or_init(|| "by main");
    // SAFETY: the task and its values need nothing that another thread of this program holds for long.
    let pool = unsafe { ProcessPool::builder().size(2).raw_fork() }.build()?;
    assert_eq!(pool.apply(made, ())?.as_deref(), Some("by main"));
    assert_eq!(
        signal_of(&loss(
            pool.apply(|()| std::process::abort(), ())
                .map(|never: ()| never)
        )),
        "SIGABRT"
    );
    assert_ne!(pool.apply(pid, ())?, std::process::id());
    assert_eq!(
        pool.stats().start_method,
        pool_process::StartMethod::RawFork
    );
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn a_memory_limit_that_is_hit_is_named() -> Outcome {
    apart(|()| {
        let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("a limit");
        setrlimit(Resource::RLIMIT_AS, 512 << 20, hard).expect("lower is allowed");
        each_way(1, |pool| {
            let eat = |megabytes: usize| {
                vec![1_u8; megabytes << 20]
                    .iter()
                    .filter(|byte| **byte == 1)
                    .count()
            };
            let lost = loss(pool.apply(eat, 1_000));
            assert_eq!(signal_of(&lost), "SIGABRT");
            assert!(lost.to_string().contains("512 MiB"), "{lost}");
            assert_eq!(pool.apply(eat, 10)?, 10 << 20);
            Ok(())
        })
        .expect("it is told");
    })
}

#[test]
fn a_pool_that_the_system_refuses_leaves_nothing() -> Outcome {
    apart(|()| {
        let open = || fs::read_dir("/proc/self/fd").expect("there").count();
        for reexec in [false, true] {
            let builder = || {
                if reexec {
                    ProcessPool::builder().reexec()
                } else {
                    ProcessPool::builder()
                }
            };
            drop(builder().size(1).build().expect("one is possible"));
            let (before, family) = (open(), common::descendants(std::process::id()));
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
            setrlimit(Resource::RLIMIT_NOFILE, 40, hard).expect("lower is allowed");
            let refused = builder().size(100).build().expect_err("too many");
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("back to what it was");
            assert!(
                matches!(refused, StartError::Worker { index, .. } if (1..40).contains(&index)),
                "{refused:?}"
            );
            assert_eq!(before, open(), "descriptors");
            assert_eq!(family, common::descendants(std::process::id()), "processes");
            let pool = builder().size(2).build().expect("possible again");
            assert_eq!(pool.apply(|x: u8| x, 1).expect("it works"), 1);
        }
    })
}

#[test]
fn a_process_forked_by_the_program_may_drop_its_copy_of_a_pool() -> Outcome {
    apart(|()| {
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u8| x, 1).expect("it works"), 1);
        // SAFETY: the child drops the pool and ends; its parent's other threads are asleep.
        match unsafe { nix::unistd::fork() }.expect("a child") {
            nix::unistd::ForkResult::Child => {
                drop(pool);
                // SAFETY: it has no preconditions.
                unsafe { nix::libc::_exit(9) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                let status = nix::sys::wait::waitpid(child, None).expect("it ends");
                assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 9));
                assert_eq!(pool.apply(|x: u8| x, 2).expect("it still works"), 2);
            }
        }
    })
}

#[test]
fn without_proc_pools_and_processes_are_refused_and_told_why() -> Outcome {
    use nix::errno::Errno;
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    apart(|()| {
        // A view of the files of its own: as root, or as one who may pretend to be it.
        let apart = unshare(CloneFlags::CLONE_NEWNS)
            .or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS));
        let hidden = apart.and_then(|()| {
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            mount(none, "/proc", Some("tmpfs"), MsFlags::empty(), none)
        });
        match hidden {
            Ok(()) => {}
            Err(Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EINVAL | Errno::ENOSYS) => {
                eprintln!("skipped: without /proc: it cannot be hidden here ({hidden:?})");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        for said in refusals() {
            assert!(
                said.contains("cannot be started here: /proc/self/exe"),
                "{said}"
            );
            assert!(said.contains("/proc must be mounted"), "{said}");
        }
    })
}
