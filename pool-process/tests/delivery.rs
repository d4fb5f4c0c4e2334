//! The delivery of tasks to workers. If the system refuses to send a task, the task fails. If several workers die before they receive
//! it, it fails as well.

mod common;

use std::os::fd::{AsFd, AsRawFd};

use common::{Outcome, apart, loss, signal_of};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use pool_process::{Pool, ProcessPool, StartError};

#[test]
fn a_task_that_no_worker_lives_to_receive_fails_and_those_behind_it_run() -> Outcome {
    let builders = [
        ProcessPool::builder(),
        ProcessPool::builder().shared_memory(false),
        ProcessPool::builder().reexec(),
    ];
    for builder in builders {
        let pool = builder.size(1).memory_limit(128 << 20).build()?;
        let large = pool.apply_async(|text: String| text.len(), "x".repeat(140 << 20))?;
        let behind = pool.apply_async(|x: u8| x, 1)?;
        let lost = loss(large.get());
        assert_eq!((signal_of(&lost), lost.begun), ("SIGABRT", false));
        let told = lost.to_string();
        assert!(
            told.contains("before it began") && told.contains("5 workers"),
            "{told}"
        );
        assert_eq!(behind.get()?, 1);
        assert_eq!(pool.stats().lost, 5);
    }
    Ok(())
}

/// The system counts a user's descriptors that are under way in sockets, and sends no further ones beyond the limit of
/// open files.
#[test]
fn a_worker_that_the_system_refuses_to_send_its_setup_to_is_no_worker() -> Outcome {
    if !Uid::effective().is_root() {
        eprintln!("skipped: only root may become a user whose descriptors are counted");
        return Ok(());
    }
    apart(|()| {
        let (nobody, none) = (Uid::from_raw(65_533), Gid::from_raw(65_533));
        setgroups(&[]).expect("root may");
        setresgid(none, none, none).expect("root may");
        setresuid(nobody, nobody, nobody).expect("root may");
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("lower is allowed");
        let kind = SockType::Datagram;
        let pair = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
        let (ours, theirs) = pair.expect("a pair");
        let carried = [ours.as_fd().as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&carried)];
        let send = || {
            let bytes = [std::io::IoSlice::new(&[0])];
            let flags = MsgFlags::MSG_DONTWAIT;
            sendmsg::<()>(ours.as_raw_fd(), &bytes, &rights, flags, None)
        };
        let refused = (0..100).find_map(|_| send().err());
        assert_eq!(refused, Some(nix::Error::ETOOMANYREFS));
        for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
            match builder.size(1).build() {
                Err(StartError::Worker { index: 0, source }) => {
                    assert!(
                        source.to_string().contains("Too many references"),
                        "{source}"
                    );
                }
                other => panic!("not refused: {other:?}"),
            }
        }
        drop((ours, theirs));
        let pool = ProcessPool::new(1).expect("they are no longer under way");
        assert_eq!(pool.apply(|x: u8| x, 7).expect("it runs"), 7);
    })
}
