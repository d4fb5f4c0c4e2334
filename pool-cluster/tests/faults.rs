//! Nodes that are killed, leave, or are cut off; a server that is lost; clients that share nodes; wrong addresses.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_cluster::prelude::*;
use pool_cluster::{AsyncResult, Cause};

mod common;

use common::{Gate, LIMIT, Rig, has_gone, has_server, hold};

type Outcome = Result<(), Box<dyn Error>>;

fn double(x: u64) -> u64 {
    2 * x
}

/// The end of a task, within the limit.
fn end<T>(mut handle: AsyncResult<T>) -> Result<Result<T, TaskError>, Box<dyn Error>> {
    Ok(handle.get_timeout(LIMIT)?)
}

fn signal(node: &std::process::Child, signal: Signal) -> Outcome {
    Ok(kill(Pid::from_raw(i32::try_from(node.id())?), signal)?)
}

#[test]
fn what_runs_on_a_node_that_is_killed_is_lost_and_names_it() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (mut rig, gate) = (Rig::new(1), Gate::new());
    let pool = rig.connect();
    let handle = pool.apply_async(hold, gate.address())?;
    let mut task = gate.wait();
    rig.nodes[0].kill()?;
    assert!(has_gone(&mut task), "a node's workers end with it");
    let Err(TaskError::WorkerLost(lost)) = end(handle)? else {
        panic!("its node was killed");
    };
    assert!(
        matches!(&lost.cause, Cause::Node(name) if name.contains(&rig.nodes[0].id().to_string())),
        "{lost}"
    );
    assert!(lost.begun);
    // What waits is done by a node that comes later.
    let handle = pool.apply_async(double, 4)?;
    rig.add_node(1);
    assert_eq!(end(handle)??, 8);
    assert_eq!(pool.stats().lost_nodes, 1);
    Ok(())
}

#[test]
fn a_task_that_may_be_tried_again_survives_its_node() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (mut rig, gate) = (Rig::new(1), Gate::new());
    let pool = rig.connect();
    let handle = pool.call(hold, gate.address()).retries(1).submit()?;
    let first = gate.wait();
    rig.nodes[0].kill()?;
    rig.add_node(1);
    let second = gate.wait();
    drop((first, second));
    end(handle)??;
    assert_eq!(pool.stats().lost, 1);
    Ok(())
}

#[test]
fn a_node_that_leaves_ends_what_runs_and_gives_back_the_rest() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (mut rig, gate) = (Rig::new(1), Gate::new());
    let pool = rig.connect();
    let running = pool.apply_async(hold, gate.address())?;
    let task = gate.wait();
    let waiting = (0..20)
        .map(|x| pool.apply_async(double, x))
        .collect::<Result<Vec<_>, _>>()?;
    signal(&rig.nodes[0], Signal::SIGTERM)?;
    rig.add_node(1);
    for (x, handle) in (0..).zip(waiting) {
        assert_eq!(end(handle)??, 2 * x);
    }
    drop(task);
    end(running)??;
    assert!(rig.nodes[0].wait()?.success());
    assert_eq!(pool.stats().lost, 0);
    Ok(())
}

#[test]
fn a_node_that_is_stopped_is_lost_and_may_come_back() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (rig, gate) = (Rig::new(1), Gate::new());
    let pool = rig.connect();
    let handle = pool.apply_async(hold, gate.address())?;
    let mut task = gate.wait();
    signal(&rig.nodes[0], Signal::SIGSTOP)?;
    assert!(matches!(end(handle)?, Err(TaskError::WorkerLost(_))));
    signal(&rig.nodes[0], Signal::SIGCONT)?;
    assert!(has_gone(&mut task), "it stops what its client has given up");
    assert_eq!(end(pool.apply_async(double, 1)?)??, 2);
    Ok(())
}

#[test]
fn a_server_that_is_started_again_costs_no_task() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (mut rig, gate) = (Rig::new(2), Gate::new());
    let pool = rig.builder().contact(LIMIT).connect(&rig.url())?;
    let running = pool.apply_async(hold, gate.address())?;
    let task = gate.wait();
    rig.restart_server();
    let handles = (0..100)
        .map(|x| pool.apply_async(double, x))
        .collect::<Result<Vec<_>, _>>()?;
    drop(task);
    end(running)??;
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(end(handle)??, 2 * x);
    }
    let stats = pool.stats();
    assert_eq!((stats.lost, stats.lost_nodes), (0, 0));
    Ok(())
}

#[test]
fn what_has_no_node_fails_in_time() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let mut rig = Rig::new(1);
    let pool = rig
        .builder()
        .patience(Duration::from_secs(1))
        .connect(&rig.url())?;
    rig.nodes[0].kill()?;
    let Err(TaskError::WorkerLost(lost)) = end(pool.apply_async(double, 1)?)? else {
        panic!("there is no node");
    };
    let why = lost.to_string();
    assert!(why.contains("node"), "{why}");
    Ok(())
}

#[test]
fn clients_share_nodes_and_end_alone() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let mut rig = Rig::new(0);
    rig.add_node(2);
    let gate = Gate::new();
    let (first, second) = (rig.connect(), rig.connect());
    let running = first.apply_async(hold, gate.address())?;
    let mut task = gate.wait();
    assert_eq!(
        second.map(double, 0..50)?,
        (0..50).map(double).collect::<Vec<_>>()
    );
    first.terminate();
    first.join()?;
    assert!(has_gone(&mut task));
    assert_eq!(end(running)?, Err(TaskError::Terminated));
    assert_eq!(second.apply(double, 3)?, 6);
    second.close();
    second.join()?;
    Ok(())
}

#[test]
fn deadlines_and_cancels_stop_what_runs() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (rig, gate) = (Rig::new(1), Gate::new());
    let pool = rig.connect();
    let late = pool
        .call(hold, gate.address())
        .deadline(Duration::from_millis(50))
        .submit()?;
    let mut task = gate.wait();
    assert!(matches!(end(late)?, Err(TaskError::DeadlineExceeded(_))));
    assert!(has_gone(&mut task));
    let unwanted = pool.apply_async(hold, gate.address())?;
    let mut task = gate.wait();
    assert!(unwanted.cancel());
    assert_eq!(end(unwanted)?, Err(TaskError::Cancelled));
    assert!(has_gone(&mut task));
    assert_eq!(pool.apply(double, 5)?, 10);
    Ok(())
}

#[test]
fn what_is_longer_than_the_server_takes_goes_in_parts() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let rig = Rig::new(1);
    // To encode it may take longer than the rig's contact where the machine is busy.
    let pool = rig.builder().contact(LIMIT).connect(&rig.url())?;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|x| x as u8).collect();
    let table: std::sync::Arc<[u8]> = bytes.clone().into();
    let pool_of_table = pool.with_arc(table);
    assert_eq!(
        pool_of_table.map(|table, index: usize| table[index], [4_999_999, 3])?,
        [bytes[4_999_999], 3]
    );
    assert!(pool.apply(|bytes: Vec<u8>| bytes, bytes.clone())? == bytes);
    Ok(())
}

#[test]
fn a_node_of_another_build_is_named() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    // The same code in a file with one byte more.
    let copy = std::env::temp_dir().join(format!("pool-cluster-other-{}", std::process::id()));
    fs::copy(std::env::current_exe()?, &copy)?;
    fs::OpenOptions::new()
        .append(true)
        .open(&copy)?
        .write_all(b"\n")?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    let mut rig = Rig::new(0);
    rig.add_node_of(&copy, 1);
    // It has said that it is there when one of its own finds it: here it is enough to try until it is named.
    let named = (0..100).find_map(|_| {
        let builder = rig.builder().nodes(1).patience(Duration::from_millis(100));
        let why = builder
            .connect(&rig.url())
            .expect_err("there is none of this build")
            .to_string();
        why.contains("of build").then_some(why)
    });
    fs::remove_file(copy)?;
    assert!(named.is_some_and(|why| why.contains(&rig.nodes[0].id().to_string())));
    Ok(())
}

#[test]
fn wrong_addresses_and_passwords_are_errors() -> Outcome {
    let builder = || ClusterPool::builder().patience(Duration::from_secs(2));
    let why = builder()
        .connect("nats://127.0.0.1:1")
        .expect_err("nobody is there")
        .to_string();
    assert!(why.contains("127.0.0.1:1"), "{why}");
    if !has_server() {
        return Ok(());
    }
    let mut rig = Rig::with_password("me", "secret");
    let wrong = rig.url().replace("secret", "wrong");
    let why = builder()
        .connect(&wrong)
        .expect_err("it is wrong")
        .to_string();
    assert!(
        why.contains("authorization") && !why.contains("wrong"),
        "{why}"
    );
    let why = builder()
        .connect(&rig.url())
        .expect_err("there is no node")
        .to_string();
    assert!(why.contains("no node"), "{why}");
    rig.add_node(1);
    assert_eq!(rig.connect().apply(double, 2)?, 4);
    Ok(())
}

/// Where a client that is to die finds its server and its gate.
const DIES: &str = "POOL_TEST_CLIENT_DIES";

#[test]
#[ignore = "it is the client that another test kills"]
fn a_client() -> Outcome {
    let told = std::env::var(DIES)?;
    let (url, gate) = told.split_once(' ').ok_or("two addresses")?;
    let pool = ClusterPool::builder()
        .contact(Duration::from_millis(300))
        .connect(url)?;
    pool.apply(hold, gate.to_owned())?;
    Ok(())
}

#[test]
fn the_work_of_a_client_that_dies_is_stopped() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let (rig, gate) = (Rig::new(1), Gate::new());
    let mut client = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_client", "--ignored"])
        .env(DIES, format!("{} {}", rig.url(), gate.address()))
        .stdout(Stdio::null())
        .spawn()?;
    let mut task = gate.wait();
    client.kill()?;
    client.wait()?;
    assert!(has_gone(&mut task));
    // The node is there for others.
    assert_eq!(rig.connect().apply(double, 2)?, 4);
    Ok(())
}

/// Sends every message that it hears a second time, and a part of it, for as long as the server is there.
async fn parrot(
    url: String,
    ready: std::sync::mpsc::Sender<()>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = async_nats::connect(url).await?;
    let mut all = client.subscribe("pool.>").await?;
    client.flush().await?;
    ready.send(())?;
    let mut own = std::collections::HashMap::<(String, Vec<u8>), u32>::new();
    while let Some(message) = all.next().await {
        let key = (message.subject.to_string(), message.payload.to_vec());
        if let Some(count) = own.get_mut(&key).filter(|count| **count > 0) {
            *count -= 1;
            continue;
        }
        let half = message.payload.slice(..message.payload.len() / 2);
        for copy in [message.payload, half] {
            *own.entry((message.subject.to_string(), copy.to_vec()))
                .or_default() += 1;
            client.publish(message.subject.clone(), copy).await?;
        }
    }
    Ok(())
}

#[test]
fn what_comes_twice_or_in_half_changes_nothing() -> Outcome {
    if !has_server() {
        return Ok(());
    }
    let rig = Rig::new(2);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let url = rig.url();
    // It ends when the server does.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map(|runtime| runtime.block_on(parrot(url, ready)))
    });
    is_ready.recv()?;
    let pool = rig.connect();
    for round in 0..5 {
        assert_eq!(
            pool.each(double, 0..200).chunksize(1).wait()?,
            (0..200).map(double).collect::<Vec<_>>()
        );
        assert_eq!(
            pool.with(round).apply(|round, x: u64| round * x, 3)?,
            round * 3
        );
    }
    let unwanted = (0..50)
        .map(|x| pool.apply_async(double, x))
        .collect::<Result<Vec<_>, _>>()?;
    for handle in &unwanted {
        handle.cancel();
    }
    for (x, handle) in (0..).zip(unwanted) {
        let outcome = end(handle)?;
        assert!(
            outcome == Ok(2 * x) || outcome == Err(TaskError::Cancelled),
            "{outcome:?}"
        );
    }
    assert_eq!(pool.stats().lost, 0);
    pool.close();
    pool.join()?;
    Ok(())
}
