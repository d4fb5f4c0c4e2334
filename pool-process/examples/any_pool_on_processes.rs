//! A program for any kind of worker: `busiest` knows the trait `Pool` alone, and `main` runs it on processes.
//!
//! `cargo run -p pool-process --example any_pool_on_processes`
//!
//! ```text
//! task failed at item 3: unknown address
//! task failed at item 4: invalid digit found in string
//! Some(("ada", 120))
//! ```

use std::collections::BTreeMap;

use pool_process::prelude::*;

/// The bytes of one line of a log, with the name for its address.
fn parse(names: &BTreeMap<u8, String>, line: String) -> Result<(String, u64), Report> {
    let (address, bytes) = line
        .split_once(' ')
        .ok_or_else(|| Report::new("one word"))?;
    let name = names
        .get(&address.parse()?)
        .ok_or_else(|| Report::new("unknown address"))?;
    Ok((name.clone(), bytes.parse()?))
}

/// Who sent most, and the lines that are wrong. Functions for any pool capture nothing; what they need comes by the context.
fn busiest<P: Pool>(
    pool: &P,
    names: BTreeMap<u8, String>,
    lines: Vec<String>,
) -> Result<Option<(String, u64)>, PoolError> {
    let mut sums = BTreeMap::<String, u64>::new();
    for result in pool
        .with(names)
        .try_each(parse, lines)
        .chunksize(2)
        .imap_unordered()?
    {
        match result {
            Ok((name, bytes)) => *sums.entry(name).or_default() += bytes,
            Err(error) => println!("{error}"),
        }
    }
    Ok(sums.into_iter().max_by_key(|(_, bytes)| *bytes))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ProcessPool::new(2)?;
    let names = BTreeMap::from([(7, "ada".into()), (9, "bob".into())]);
    let lines = ["7 100", "9 30", "9 80", "8 1", "9 x", "7 20"].map(String::from);
    println!("{:?}", busiest(&pool, names, lines.to_vec())?);
    pool.close();
    pool.join()?;
    Ok(())
}
