//! `pool-process` beside other pools of processes: `cargo run --release -- --short`, or `--full`.

mod ipc;
mod ours;
mod procspawn;

use std::process::ExitCode;

use peers::threads::{self, ByHandle, RayonHandles};
use peers::{Native, Python, Suite};

fn main() -> ExitCode {
    // Workers of rivals are this program, started again.
    ::procspawn::init();
    if let Some(code) = ipc::work_if_asked() {
        return code;
    }
    peers::run(&Suite {
        title: "pool-process and its peers",
        package: env!("CARGO_MANIFEST_DIR"),
        processes: true,
        rivals: vec![
            Native::<ours::Ours>::column(),
            Native::<ipc::IpcPool>::column(),
            Native::<procspawn::Procspawn>::column(),
            Python::Processes.column(),
            Native::<threads::Ours>::column(),
            Native::<ByHandle<RayonHandles>>::column(),
        ],
    })
}
