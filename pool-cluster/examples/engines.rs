//! What two ways to use a NATS server cost, without a pool: plain messages, and a work queue of JetStream in memory. `engines URL`, of a
//! server with JetStream. DESIGN.md has what came of it.
//!
//! Behind one trait, a client sends items to a node, which sends each back; so many are on their way at a time.

use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};
use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const ITEMS: usize = 20_000;
const WINDOW: usize = 512;
const WORK_PLAIN: &str = "engines.plain";
const WORK: &str = "engines.work";
const DONE: &str = "engines.done";

/// A way for items to a node.
trait Engine: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    async fn client(client: Client) -> Outcome<Self>;
    /// Sends so many items.
    async fn send(&self, items: usize) -> Outcome;
    /// Sends back whatever comes.
    async fn node(client: Client) -> Outcome;
}

struct Plain(Client);

impl Engine for Plain {
    const NAME: &'static str = "plain messages";

    async fn client(client: Client) -> Outcome<Plain> {
        Ok(Plain(client))
    }

    async fn send(&self, items: usize) -> Outcome {
        for _ in 0..items {
            self.0
                .publish(WORK_PLAIN, Bytes::from_static(b"item"))
                .await?;
        }
        Ok(())
    }

    async fn node(client: Client) -> Outcome {
        let mut work = client
            .queue_subscribe(WORK_PLAIN, "nodes".to_owned())
            .await?;
        while let Some(item) = work.next().await {
            client.publish(DONE, item.payload).await?;
        }
        Ok(())
    }
}

struct WorkQueue(jetstream::Context);

/// The work queue, made where it is not there.
async fn queue(client: Client) -> Outcome<(jetstream::Context, stream::Stream)> {
    let context = jetstream::new(client);
    let settings = stream::Config {
        name: "ENGINES".to_owned(),
        subjects: vec![WORK.to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        storage: stream::StorageType::Memory,
        ..Default::default()
    };
    let stream = context.get_or_create_stream(settings).await?;
    Ok((context, stream))
}

impl Engine for WorkQueue {
    const NAME: &'static str = "JetStream, in memory";

    async fn client(client: Client) -> Outcome<WorkQueue> {
        Ok(WorkQueue(queue(client).await?.0))
    }

    async fn send(&self, items: usize) -> Outcome {
        let mut confirmations = Vec::with_capacity(items);
        for _ in 0..items {
            confirmations.push(self.0.publish(WORK, Bytes::from_static(b"item")).await?);
        }
        for confirmation in confirmations {
            confirmation.await?;
        }
        Ok(())
    }

    async fn node(client: Client) -> Outcome {
        let (_, stream) = queue(client.clone()).await?;
        let settings = consumer::pull::Config {
            durable_name: Some("nodes".to_owned()),
            max_ack_pending: 4 * WINDOW as i64,
            ..Default::default()
        };
        let consumer = stream.get_or_create_consumer("nodes", settings).await?;
        let mut items = consumer.messages().await?;
        while let Some(item) = items.next().await {
            let item = item?;
            client.publish(DONE, item.payload.clone()).await?;
            item.ack().await?;
        }
        Ok(())
    }
}

/// Waits for so many items that have come back.
async fn back(done: &mut Subscriber, items: usize) -> Outcome {
    for _ in 0..items {
        let next = tokio::time::timeout(Duration::from_secs(20), done.next()).await?;
        next.ok_or("the connection was closed")?;
    }
    Ok(())
}

async fn measure<E: Engine>(url: &str) -> Outcome {
    let client = async_nats::connect(url).await?;
    let engine = E::client(client.clone()).await?;
    let node = url.to_owned();
    // It ends with the program.
    std::thread::spawn(move || {
        let node = async { E::node(async_nats::connect(node).await?).await };
        runtime()?.block_on(node)
    });
    let mut done = client.subscribe(DONE).await?;
    client.flush().await?;
    // The node may not be there for the first.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut times = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        engine.send(1).await?;
        back(&mut done, 1).await?;
        times.push(began.elapsed());
    }
    times.sort();
    let began = Instant::now();
    engine.send(WINDOW).await?;
    let mut left = ITEMS - WINDOW;
    while left > 0 {
        let half = left.min(WINDOW / 2);
        back(&mut done, half).await?;
        engine.send(half).await?;
        left -= half;
    }
    back(&mut done, WINDOW).await?;
    let rate = ITEMS as f64 / began.elapsed().as_secs_f64() / 1000.0;
    println!(
        "{:22} p50 {:?}, p99 {:?}; {rate:.1} k items/s",
        E::NAME,
        times[250],
        times[495]
    );
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn main() -> Outcome {
    let url = std::env::args().nth(1).ok_or("engines URL")?;
    // A thread each for client and node, as two machines have. Nodes of the first way go on, and hear nothing.
    runtime()?.block_on(async {
        measure::<Plain>(&url).await?;
        measure::<WorkQueue>(&url).await
    })
}
