//! Workers are who the thread is that makes their pool, as it is then. Each test runs in a process of its own, as root:
//! most of what it does cannot be undone.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{
    BOUND, Gate, Outcome, Watch, apart, apart_with, become_nobody, descendants, each_way,
    every_way, forget_call, is_root, loss, parent, pid, skip, wait_at,
};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::chroot;
use pool_process::{Cause, Pool, Process, ProcessPool, TaskError};

/// Everything about the calling thread that is asked for here, by name.
type Identity = BTreeMap<String, String>;

fn who(_: ()) -> Identity {
    let mut who = Identity::new();
    let status = fs::read_to_string("/proc/thread-self/status").expect("/proc");
    let kept = [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "SigBlk",
    ];
    for line in status.lines() {
        let (name, value) = line.split_once(':').expect("a name");
        if kept.contains(&name) {
            who.insert(name.to_owned(), value.trim().to_owned());
        }
        if name == "SigIgn" {
            let ignored = u64::from_str_radix(value.trim(), 16).expect("bits");
            // These two have rules of their own, and the C library has two for itself.
            let own = [libc::SIGPIPE, libc::SIGCHLD, 32, 33];
            let own = own.iter().fold(0, |bits, number| bits | 1 << (number - 1));
            who.insert(name.to_owned(), format!("{:x}", ignored & !own));
        }
    }
    for name in ["mnt", "net", "pid", "user", "ipc", "uts", "cgroup"] {
        let link = fs::read_link(format!("/proc/thread-self/ns/{name}")).expect("a link");
        who.insert(name.to_owned(), link.display().to_string());
    }
    let score = fs::read_to_string("/proc/self/oom_score_adj").expect("/proc");
    let root = fs::read_dir("/").expect("a root").flatten();
    let root: Vec<_> = root.map(|entry| entry.file_name()).collect();
    // SAFETY: plain numbers.
    let numbers = unsafe {
        [
            ("nice", i64::from(libc::getpriority(libc::PRIO_PROCESS, 0))),
            ("policy", i64::from(libc::sched_getscheduler(0))),
            ("I/O priority", libc::syscall(libc::SYS_ioprio_get, 1, 0)),
            ("slack", i64::from(libc::prctl(libc::PR_GET_TIMERSLACK))),
            ("secure", i64::from(libc::prctl(libc::PR_GET_SECUREBITS))),
            ("dumpable", i64::from(libc::prctl(libc::PR_GET_DUMPABLE))),
            ("personality", i64::from(libc::personality(u32::MAX.into()))),
        ]
    };
    let numbers = numbers.map(|(name, number)| (name.to_owned(), number.to_string()));
    who.extend(numbers);
    who.insert(
        "limit".to_owned(),
        format!("{:?}", getrlimit(Resource::RLIMIT_CORE)),
    );
    who.insert("score".to_owned(), score);
    who.insert("root".to_owned(), format!("{root:?}"));
    who
}

/// Checks workers by every way to start them, and a process.
fn all_are_like_this_thread() {
    every_way(1, |pool| {
        assert_eq!(
            pool.apply(who, ())?,
            who(()),
            "{}",
            pool.stats().start_method
        );
        let reason = pool.stats().start_reason;
        assert!(!reason.contains("cannot"), "{reason}");
        Ok(())
    })
    .expect("a worker");
    let expected = who(());
    let compare = |expected: Identity| assert_eq!(who(()), expected);
    let process = Process::new(compare, expected);
    process.start().expect("a process");
    process.join().expect("it ends");
    assert_eq!(
        process.exitcode().ok(),
        Some(Some(0)),
        "see its message above"
    );
}

/// Makes a pool before and after something that the program gives up.
fn before_and_after(give_up: impl FnOnce()) {
    let first = ProcessPool::new(1).expect("a pool");
    let before = who(());
    let process = Process::new(|()| (), ());
    process.start().expect("a process");
    process.join().expect("it ends");
    give_up();
    assert_ne!(who(()), before, "it changes what can be seen");
    all_are_like_this_thread();
    // The first pool is what it was, its replacement too.
    loss(first.apply(|()| -> () { std::process::abort() }, ()));
    assert_eq!(first.apply(who, ()).expect("a worker"), before);
}

#[test]
fn workers_have_the_user_and_groups_that_their_program_has_then() -> Outcome {
    if !is_root("a change of user") {
        return Ok(());
    }
    apart(|()| before_and_after(become_nobody))?;
    apart(|()| {
        before_and_after(|| {
            let groups = [5, 6];
            // SAFETY: a list of that length.
            assert_eq!(unsafe { libc::setgroups(2, groups.as_ptr()) }, 0);
        });
    })
}

#[test]
fn workers_may_gain_and_call_no_more_than_their_program() -> Outcome {
    apart(|()| {
        before_and_after(|| {
            set(libc::PR_SET_NO_NEW_PRIVS, 1);
        });
        before_and_after(|| forget_call(libc::SYS_sysinfo));
        before_and_after(|| forget_call(libc::SYS_getcpu));
    })
}

/// Which of two calls the system knows.
fn known(_: ()) -> (bool, bool) {
    // SAFETY: room for what both write, which is null where it may be.
    unsafe {
        let mut room = [0_u64; 64];
        let (room, none) = (room.as_mut_ptr(), std::ptr::null::<u32>());
        (
            libc::syscall(libc::SYS_sysinfo, room) == 0,
            libc::syscall(libc::SYS_getcpu, none, none, none) == 0,
        )
    }
}

#[test]
fn workers_of_two_threads_with_one_filter_each_have_that_of_their_own() -> Outcome {
    apart(|()| {
        let threads = [
            (libc::SYS_sysinfo, (false, true)),
            (libc::SYS_getcpu, (true, false)),
        ];
        for (call, expected) in threads {
            let of_its_own = move || {
                forget_call(call);
                each_way(1, |pool| {
                    assert_eq!(pool.apply(known, ())?, expected);
                    Ok(())
                })
                .map_err(|error| error.to_string())
            };
            let thread = std::thread::spawn(of_its_own);
            thread.join().expect("no panic").expect("workers");
        }
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(known, ()).expect("a worker"), (true, true));
    })
}

#[test]
fn workers_are_confined_as_their_program_is() -> Outcome {
    // `landlock(7)`: no directory can be made any more.
    static MAKE_DIRECTORY: u64 = 1 << 7;
    apart(|()| {
        set(libc::PR_SET_NO_NEW_PRIVS, 1);
        let make = |()| {
            let path = std::env::temp_dir().join(format!("pool-test-{}", std::process::id()));
            let made = fs::create_dir(&path).is_ok();
            let _ = fs::remove_dir(path);
            made
        };
        let first = ProcessPool::new(1).expect("a pool");
        assert!(first.apply(make, ()).expect("a worker"));
        // SAFETY: a record of the size that is given; a descriptor that was just made.
        let confined = unsafe {
            let rules = libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const MAKE_DIRECTORY,
                size_of::<u64>(),
                0,
            );
            rules >= 0 && libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) == 0
        };
        if !confined {
            skip("confinement", "the system has no landlock");
            return;
        }
        every_way(1, |pool| {
            assert!(!pool.apply(make, ())?);
            Ok(())
        })
        .expect("workers");
    })
}

/// Sets something about this thread.
fn set(option: libc::c_int, value: libc::c_ulong) {
    // SAFETY: plain numbers.
    assert_eq!(unsafe { libc::prctl(option, value, 0, 0, 0) }, 0);
}

/// `capset(2)`: the sets, and those that stay permitted and effective.
fn keep_capabilities(kept: u32) {
    let header = [0x2008_0522_u32, 0];
    let sets = [[kept, kept, 0], [0, 0, 0]];
    // SAFETY: the records of that call, for this thread.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) };
    assert_eq!(done, 0);
}

#[test]
fn workers_have_the_capabilities_of_their_program() -> Outcome {
    const TO_CHANGE_USER: u32 = 1 << 6 | 1 << 7;
    const TO_BIND: u32 = 1 << 10;
    if !is_root("capabilities") {
        return Ok(());
    }
    // A root who has given most of them up does not get them back.
    apart(|()| before_and_after(|| keep_capabilities(TO_BIND | TO_CHANGE_USER)))?;
    // A user who has kept one has it in workers.
    apart(|()| {
        before_and_after(|| {
            set(libc::PR_SET_KEEPCAPS, 1);
            become_nobody();
            // A new program begins without it.
            set(libc::PR_SET_KEEPCAPS, 0);
            keep_capabilities(TO_BIND);
        });
    })?;
    // What a thread has, but may not hand down, its workers have not.
    apart(|()| {
        let first = ProcessPool::new(1).expect("a pool");
        set(libc::PR_CAPBSET_DROP, 21);
        let bounds = who(())["CapBnd"].clone();
        assert_ne!(who(())["CapPrm"], bounds);
        each_way(1, |pool| {
            let worker = pool.apply(who, ())?;
            assert_eq!((&worker["CapPrm"], &worker["CapBnd"]), (&bounds, &bounds));
            Ok(())
        })
        .expect("workers");
        assert_ne!(first.apply(who, ()).expect("a worker")["CapPrm"], bounds);
    })
}

#[test]
fn workers_are_scheduled_as_their_program_is() -> Outcome {
    apart(|()| {
        // SAFETY: plain numbers, and a record that may be all zero.
        unsafe {
            before_and_after(|| assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, 3), 0));
            before_and_after(|| {
                let none = std::mem::zeroed();
                assert_eq!(
                    libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none),
                    0
                );
            });
            before_and_after(|| {
                let best_effort_lowest = 2 << 13 | 7;
                assert_eq!(
                    libc::syscall(libc::SYS_ioprio_set, 1, 0, best_effort_lowest),
                    0
                );
            });
            before_and_after(|| set(libc::PR_SET_TIMERSLACK, 70_000));
        }
        before_and_after(|| fs::write("/proc/self/oom_score_adj", "500").expect("it may be worse"));
        before_and_after(|| {
            // What only ever gets less.
            setrlimit(Resource::RLIMIT_CORE, 0, 4096).expect("lower is allowed");
        });
    })
}

#[test]
fn a_workers_session_weighs_as_much_as_the_worker() -> Outcome {
    if !is_root("the weight of many sessions at once") {
        return Ok(());
    }
    apart(|()| {
        // SAFETY: plain numbers.
        assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 7) }, 0);
        every_way(1, |pool| {
            let weight = |()| fs::read_to_string("/proc/self/autogroup").ok();
            match pool.apply(weight, ())? {
                Some(weight) => assert!(weight.ends_with("nice 7\n"), "{weight}"),
                None => skip("the weight of sessions", "the system knows none"),
            }
            Ok(())
        })
        .expect("workers");
    })
}

#[test]
fn what_changes_a_programs_share_from_outside_ends_no_pool() -> Outcome {
    apart(|()| {
        let builder = ProcessPool::builder().size(1).reexec();
        let pool = builder.build().expect("a pool");
        let score = |()| fs::read_to_string("/proc/self/oom_score_adj").expect("/proc");
        assert_ne!(pool.apply(score, ()).expect("a worker"), "500\n");
        fs::write("/proc/self/oom_score_adj", "500").expect("it may be worse");
        loss(pool.apply(|()| -> () { std::process::abort() }, ()));
        assert_eq!(pool.apply(score, ()).expect("another"), "500\n");
    })
}

#[test]
fn a_thread_whose_children_have_other_numbers_is_refused_a_pool() -> Outcome {
    if !is_root("a PID namespace") {
        return Ok(());
    }
    apart(|()| {
        unshare(CloneFlags::CLONE_NEWPID).expect("root may");
        let all_are_refused = || {
            // SAFETY: it does not come to a fork.
            let raw = unsafe { ProcessPool::builder().raw_fork() };
            for said in [
                ProcessPool::new(1).expect_err("not here").to_string(),
                ProcessPool::builder()
                    .reexec()
                    .build()
                    .expect_err("not here")
                    .to_string(),
                raw.build().expect_err("not here").to_string(),
                Process::new(|()| (), ())
                    .start()
                    .expect_err("not here")
                    .to_string(),
            ] {
                assert!(
                    said.contains("cannot be started here: this thread's children"),
                    "{said}"
                );
            }
        };
        all_are_refused();
        // The first process of it.
        assert!(Command::new("true").status().expect("it ends").success());
        all_are_refused();
    })
}

#[test]
fn a_child_that_begins_anew_does_so_in_every_way() -> Outcome {
    apart(|()| {
        // SAFETY: plain numbers, and a record that may be all zero.
        unsafe {
            let none = std::mem::zeroed();
            let anew = libc::SCHED_BATCH | libc::SCHED_RESET_ON_FORK;
            assert_eq!(libc::sched_setscheduler(0, anew, &raw const none), 0);
        }
        // The dispatcher is a child of this thread in that, and its children must be taken for what was wanted.
        every_way(1, |pool| {
            // SAFETY: plain numbers.
            let policy = |()| unsafe { libc::sched_getscheduler(0) };
            assert_eq!(pool.apply(policy, ())?, libc::SCHED_BATCH);
            Ok(())
        })
        .expect("workers");
    })
}

#[test]
fn workers_ignore_the_signals_that_their_program_ignores_and_hide_as_it_does() -> Outcome {
    apart(|()| {
        let ignore = |number: i32| {
            // SAFETY: to ignore a signal calls no handler.
            let before = unsafe { libc::signal(number, libc::SIG_IGN) };
            assert_ne!(before, libc::SIG_ERR);
        };
        // `nohup`, under which the tests may run, ignores it.
        // SAFETY: the default action calls no handler.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.expect("it can be set");
        before_and_after(|| ignore(libc::SIGHUP));
        before_and_after(|| ignore(libc::SIGRTMIN() + 3));
        before_and_after(|| {
            // SAFETY: the default action calls no handler.
            unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.expect("it can be set");
        });
        before_and_after(|| set(libc::PR_SET_DUMPABLE, 0));
    })
}

#[test]
fn workers_live_in_the_namespaces_and_the_root_of_their_program() -> Outcome {
    if !is_root("namespaces") {
        return Ok(());
    }
    apart(|()| {
        for namespace in [
            CloneFlags::CLONE_NEWUTS,
            CloneFlags::CLONE_NEWIPC,
            CloneFlags::CLONE_NEWNET,
            CloneFlags::CLONE_NEWNS,
        ] {
            before_and_after(|| unshare(namespace).expect("root may"));
        }
        before_and_after(|| {
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
            // The same files, in a root of its own.
            let root = std::env::temp_dir();
            mount(Some("none"), &root, Some("tmpfs"), MsFlags::empty(), none).expect("a root");
            for name in ["bin", "lib", "lib64", "usr", "proc", "dev", "etc"] {
                let (from, to) = (format!("/{name}"), root.join(name));
                if fs::exists(&from).is_ok_and(|there| there) {
                    fs::create_dir(&to).expect("new");
                    let how = MsFlags::MS_BIND | MsFlags::MS_REC;
                    mount(Some(&*from), &to, none, how, none).expect("it can be seen there");
                }
            }
            chroot(&root).expect("root may");
            std::env::set_current_dir("/").expect("there");
        });
    })
}

fn kill_parent(_: ()) {
    common::kill(parent(pid(())), Signal::SIGKILL);
}

#[test]
fn a_worker_is_rather_not_replaced_than_by_one_with_other_rights() -> Outcome {
    if !is_root("a change of user") {
        return Ok(());
    }
    apart(|()| {
        let pools = [
            ProcessPool::new(1).expect("a pool"),
            ProcessPool::builder()
                .size(1)
                .reexec()
                .build()
                .expect("a pool"),
        ];
        // As long as its server lives, a pool stays what it was.
        become_nobody();
        loss(pools[0].apply(|()| -> () { std::process::abort() }, ()));
        // SAFETY: it has no preconditions.
        let user = |()| unsafe { libc::geteuid() };
        assert_eq!(pools[0].apply(user, ()).expect("a worker"), 0);
        pools[0].apply(kill_parent, ()).expect("root may");
        for pool in &pools {
            loss(pool.apply(|()| -> () { std::process::abort() }, ()));
            match pool.apply(user, ()) {
                Err(TaskError::WorkerLost(lost)) => {
                    let Cause::Start(why) = &lost.cause else {
                        panic!("{lost}");
                    };
                    assert!(why.contains("since its pool was made (user ids)"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
        // Others are not concerned.
        let pool = ProcessPool::new(1).expect("a pool");
        assert_ne!(pool.apply(user, ()).expect("a worker"), 0);
    })
}

fn end_server_of(worker: u32) {
    let server = Watch::over(parent(worker));
    server.signal(Signal::SIGKILL);
    server.ends();
}

#[test]
fn workers_of_a_former_user_are_ended_all_the_same() -> Outcome {
    if !is_root("a change of user") {
        return Ok(());
    }
    let check = |reexec: bool| {
        let builder = ProcessPool::builder().size(1).warn_on_drop(false);
        let builder = if reexec { builder.reexec() } else { builder };
        let pool = builder.build().expect("a pool");
        let gate = Gate::new();
        pool.apply_async(wait_at, gate.name())
            .map(drop)
            .expect("open");
        let guests = gate.guests(1);
        if !reexec {
            // It could do it.
            end_server_of(guests[0].pid);
        }
        become_nobody();
        pool.terminate();
        assert!(pool.join_timeout(BOUND).expect("terminated"));
    };
    apart_with(check, true)?;
    apart_with(check, false)
}

#[test]
fn processes_of_a_former_user_are_ended_all_the_same() -> Outcome {
    if !is_root("a change of user") {
        return Ok(());
    }
    let check = |server_lives: bool| {
        let gate = Gate::new();
        let process = Process::new(wait_at, gate.name());
        process.start().expect("a process");
        let guests = gate.guests(1);
        if !server_lives {
            end_server_of(guests[0].pid);
        }
        become_nobody();
        if server_lives {
            process.terminate().expect("its server may");
        } else {
            let refused = process.terminate().expect_err("nobody may").to_string();
            assert!(refused.contains("cannot be signalled"), "{refused}");
            process.kill().expect("its lifeline is cut");
            process.kill().expect("again");
        }
        assert!(process.join_timeout(BOUND).expect("it was started"));
    };
    apart_with(check, true)?;
    apart_with(check, false)
}

extern "C" fn hang(_: i32) {
    loop {
        // SAFETY: it has no preconditions.
        unsafe { libc::pause() };
    }
}

#[test]
fn a_hanging_server_of_a_former_user_holds_up_no_end() -> Outcome {
    if !is_root("a change of user") {
        return Ok(());
    }
    apart(|()| {
        // SAFETY: the handler only makes a system call.
        let hangs = || unsafe {
            signal(Signal::SIGUSR1, SigHandler::Handler(hang)).expect("it can be set");
        };
        let pool = ProcessPool::builder().size(1).preload(hangs);
        let pool = pool.build().expect("a pool");
        let server = Watch::over(parent(pool.apply(pid, ()).expect("a worker")));
        server.signal(Signal::SIGUSR1);
        become_nobody();
        drop(pool);
    })
}

#[test]
fn servers_of_former_identities_end_with_their_pools() -> Outcome {
    apart(|()| {
        let nicer = || {
            // SAFETY: plain numbers.
            unsafe {
                let nice = libc::getpriority(libc::PRIO_PROCESS, 0);
                assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, nice + 1), 0);
            }
        };
        let process = |code: i32| {
            let process = Process::new(|code: i32| std::process::exit(code), code);
            process.start().expect("a process");
            process.join().expect("it ends");
            assert_eq!(process.exitcode().ok(), Some(Some(code)));
            process.close().expect("it has ended");
        };
        let mut pools = Vec::new();
        for round in 0..4 {
            nicer();
            process(round);
            pools.push(ProcessPool::new(1).expect("a pool"));
        }
        let servers: Vec<u32> = pools
            .iter()
            .map(|pool| parent(pool.apply(pid, ()).expect("a worker")))
            .collect();
        assert_eq!(
            descendants(pid(())).len(),
            8,
            "a server and a worker for each"
        );
        drop(pools);
        let left: Vec<u32> = descendants(pid(())).into_iter().collect();
        assert_eq!(left, servers[3..], "the last one stays");
    })
}

/// Started with another user's identity, by a program that this user may not execute.
#[test]
#[ignore = "a program for the test below"]
fn program_that_may_not_be_executed() {
    become_nobody();
    let refused = [
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
    ];
    let file = std::env::current_exe().expect("a file");
    for said in refused {
        assert!(said.contains(&*file.to_string_lossy()), "{said}");
        assert!(said.contains("user 65534 may not execute it"), "{said}");
    }
}

#[test]
fn a_program_that_its_user_may_not_execute_says_so() -> Outcome {
    if !is_root("a program without permission") {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let file = common::copy_into(directory.path())?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    let ended = Command::new(&file)
        .args(["--exact", "program_that_may_not_be_executed", "--ignored"])
        .output()?;
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    Ok(())
}
